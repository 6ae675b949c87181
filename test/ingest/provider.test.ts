import { expect, test } from 'vitest';
import { address, providerOfModel } from '../../ingest/provider.ts';
import { headerFacts } from '../../ingest/provider_headers.ts';

/** An address without its https://, and what it says: provider, operation, deployment, model, service. */
const addresses: readonly (readonly [url: string, says: string])[] = [
  ['x.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=1', 'azure.ai.openai chat gpt-4o - -'],
  ['x.openai.azure.com/openai/v1/responses', 'azure.ai.openai chat - - -'],
  ['x.services.ai.azure.com/anthropic/v1/messages', 'azure.ai.inference chat - - -'],
  ['api.openai.com/v1/embeddings', 'openai embeddings - - -'],
  ['api.mistral.ai/v1/agents/completions', 'mistral_ai chat - - -'],
  ['codestral.mistral.ai/v1/fim/completions', 'mistral_ai text_completion - - -'],
  ['api.cohere.com/v2/chat', 'cohere chat - - -'],
  ['api.cohere.ai/v1/embed', 'cohere embeddings - - -'],
  ['api.cohere.com/v2/rerank', 'cohere - - - -'],
  ['intranet.contoso.com/v2/chat', '- - - - chat'],
  [
    'generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent',
    'gcp.gemini generate_content - gemini-2.5-pro -',
  ],
  [
    'generativelanguage.googleapis.com/v1beta/tunedModels/mine:streamGenerateContent',
    'gcp.gemini generate_content - mine -',
  ],
  [
    'generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents',
    'gcp.gemini embeddings - gemini-embedding-001 -',
  ],
  [
    'europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
    'gcp.vertex_ai generate_content - gemini-2.5-flash -',
  ],
  [
    'aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/anthropic/models/claude-opus-4@20250514:rawPredict',
    'gcp.vertex_ai - - claude-opus-4@20250514 -',
  ],
  [
    'us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/123456:predict',
    'gcp.vertex_ai - 123456 - -',
  ],
  [
    'us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi/chat/completions',
    'gcp.vertex_ai chat - - -',
  ],
  [
    'apim.contoso.com/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent',
    'gcp.vertex_ai generate_content - gemini-2.5-pro -',
  ],
  [
    'bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3-haiku-20240307-v1:0/invoke',
    'aws.bedrock - - anthropic.claude-3-haiku-20240307-v1:0 -',
  ],
  [
    'bedrock-runtime-fips.us-east-1.amazonaws.com/model/us.amazon.nova-pro-v1%3A0/converse-stream',
    'aws.bedrock chat - us.amazon.nova-pro-v1:0 -',
  ],
  ['vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com/model/a.b/invoke', 'aws.bedrock - - a.b -'],
  [
    'bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fabc123/converse',
    'aws.bedrock chat abc123 - -',
  ],
  [
    'bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.meta.llama3/invoke',
    'aws.bedrock - - us.meta.llama3 -',
  ],
  ['proxy.contoso.com/bedrock/model/amazon.titan-text/invoke', 'aws.bedrock - - amazon.titan-text -'],
  ['adb-1.7.azuredatabricks.net/serving-endpoints/churn/invocations', 'databricks - churn - -'],
  ['adb-1.7.azuredatabricks.net/serving-endpoints/churn/served-models/churn-2/invocations', 'databricks - churn - -'],
  ['adb-1.7.azuredatabricks.net/serving-endpoints/chat/completions', 'databricks chat - - -'],
  ['dbc-1.cloud.databricks.com/ai-gateway/anthropic/v1/messages', 'databricks chat - - -'],
  [
    'dbc-1.cloud.databricks.com/ai-gateway/gemini/v1beta/models/gw-1:generateContent',
    'databricks generate_content - gw-1 -',
  ],
  ['models.contoso.com/serving-endpoints/churn/invocations', 'databricks - churn - -'],
  ['fraud.westeurope.inference.ml.azure.com/score', 'azure.ml - fraud - -'],
  ['llama.eastus2.inference.ml.azure.com/v1/chat/completions', 'azure.ml chat llama - -'],
  ['func.azurewebsites.net/api/score?code=k', '- - score - -'],
  ['func-a1b2.westeurope-01.azurewebsites.net/api/churn/7', '- - churn - -'],
  ['runtime.sagemaker.us-east-1.amazonaws.com/endpoints/fraud/invocations', '- - fraud - -'],
  ['kserve.contoso.com/v1/models/fraud:predict', '- - - fraud -'],
  ['triton.contoso.com/v2/models/fraud/versions/3/infer', '- - - fraud -'],
  ['torch.contoso.com/predictions/fraud/1.0', '- - - fraud -'],
  ['aks.contoso.com/fraud-model/predict', '- - - - fraud-model'],
  ['aks.contoso.com/api/v1/score', '- - - - -'],
  ['orders.contoso.com/0f3c6f8a-6f5e-4d5e-9c6a-000000000001/items', '- - - - -'],
  ['orders.contoso.com/c12345678/items', '- - - - -'],
  ['aks.contoso.com/%zz/predict', '- - - - -'],
  ['aks.contoso.com', '- - - - -'],
];

test.each(addresses)('%s', (url, says) => {
  const said = address(`https://${url}`);
  const words = [said.provider_name, said.operation_name, said.deployment, said.request_model, said.service];
  expect(words.map((word) => word || '-').join(' ')).toBe(says);
  expect(said.host).toBe(url.split('/')[0]);
  // The second time it is remembered, and the same.
  expect(address(`https://${url}`)).toEqual(said);
});

test('what is no http URL says nothing, and a key in a URL is in no field', () => {
  for (const url of ['', 'SECRET', 'ftp://a/b', '//a/b', 'https://', 'http:///x', '/openai/deployments/d'])
    expect(Object.values(address(url)).join('')).toBe('');
  const said = address('https://user:SECRET@api.openai.com:443/v1/embeddings?key=SECRET#SECRET');
  expect(said.provider_name).toBe('openai');
  expect(JSON.stringify(said)).not.toContain('SECRET');
});

test('a URL of any length and shape is read in time that grows no faster than it does', () => {
  const parts = [
    '/',
    'a/',
    '%',
    ':',
    '/models/',
    '/deployments',
    '/model/x',
    '.',
    '@',
    '/serving-endpoints/a',
    '/api/',
  ];
  for (const part of parts) {
    const began = performance.now();
    address(`https://h/${part.repeat(20_000)}`);
    address(`https://${part.repeat(20_000)}`);
    expect(performance.now() - began, part).toBeLessThan(1_000);
  }
});

test('a flood of different addresses is not remembered for ever, and each is still read', () => {
  for (let at = 0; at < 5_000; at += 1)
    expect(address(`https://x.openai.azure.com/openai/deployments/d${at}/embeddings`).deployment).toBe(`d${at}`);
});

test('the shape of a model name tells Bedrock and Databricks, and nobody else', () => {
  expect(providerOfModel('us.anthropic.claude-sonnet-4-20250514-v1:0')).toBe('aws.bedrock');
  expect(providerOfModel('amazon.nova-pro-v1:0')).toBe('aws.bedrock');
  expect(providerOfModel('databricks-claude-sonnet-4')).toBe('databricks');
  for (const model of ['claude-opus-5', 'gpt-4.1', 'mistral-large', 'anthropic/claude', ''])
    expect(providerOfModel(model)).toBe('');
});

test('header names tell the provider, their values are not read', () => {
  expect(headerFacts([undefined, null, 'x', { 'Anthropic-Version': 'SECRET' }]).provider_name).toBe('anthropic');
  expect(headerFacts([{ 'azureml-model-deployment': 'blue' }])).toEqual({
    provider_name: 'azure.ml',
    routing_label: 'blue',
  });
  expect(headerFacts([{ 'azureml-model-deployment': 'a SECRET text' }]).routing_label).toBe('');
  expect(headerFacts([{ authorization: 'SECRET' }])).toEqual({ provider_name: '', routing_label: '' });
});
