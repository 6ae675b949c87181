import { isObject, Reader, type Json } from './reader.ts';

/** What header names say of a call; their values are keys and are not read, but for the one that names an arm. */
export type HeaderFacts = { readonly provider_name: string; readonly routing_label: string };

/** Headers that one provider alone sends or asks for. */
const providers: readonly (readonly [header: string, provider: string])[] = [
  ['anthropic-version', 'anthropic'],
  ['x-amzn-bedrock-invocation-latency', 'aws.bedrock'],
  ['x-amzn-bedrock-input-token-count', 'aws.bedrock'],
  ['databricks-ai-gateway-request-tags', 'databricks'],
  ['x-vertex-ai-llm-request-type', 'gcp.vertex_ai'],
  ['x-goog-api-key', 'gcp.gemini'],
  ['openai-processing-ms', 'openai'],
];

const nothing: HeaderFacts = { provider_name: '', routing_label: '' };

/**
 * Reads logged header objects, for backends whose address says nothing (a private link, a proxy). Azure ML's
 * `azureml-model-deployment` names the deployment of an endpoint that the caller or the gateway chose.
 */
export function headerFacts(objects: readonly (Json | undefined)[]): HeaderFacts {
  let facts = nothing;
  for (const object of objects) {
    if (!isObject(object)) continue;
    const headers = new Reader(object);
    const provider = providers.find(([header]) => headers.has(header))?.[1] ?? '';
    const arm = headers.peek('azureml-model-deployment');
    facts = {
      provider_name: facts.provider_name || provider || (arm === undefined ? '' : 'azure.ml'),
      routing_label: facts.routing_label || (typeof arm === 'string' && /^[a-z][a-z0-9-]{0,63}$/i.test(arm) ? arm : ''),
    };
  }
  return facts;
}
