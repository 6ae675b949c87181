import { describe, expect, test } from 'vitest';
import { present } from '#common/assert.ts';
import { decodeMessage } from '../../ingest/decode.ts';
import type { Fields } from '../../ingest/event.ts';
import { type Call, expressions, fragment, fragments, run } from './policy.ts';

/** Members of `context`, as Microsoft's reference of policy expressions lists them; further members are .NET's own. */
const documented = [
  'RequestId',
  'Timestamp',
  'Elapsed',
  'Deployment.ServiceName',
  'Deployment.Region',
  'Api.Id',
  'Operation.Id',
  'Subscription.Id',
  'Product.Id',
  'User.Id',
  'LastError',
  'LastError.Reason',
  'Request.Url.Path',
  'Request.Headers.GetValueOrDefault',
  'Request.Body',
  'Request.Body.As',
  'Response',
  'Response.StatusCode',
  'Response.Headers.GetValueOrDefault',
  'Response.Body',
  'Response.Body.As',
  'Variables.ContainsKey',
  'Variables.GetValueOrDefault',
];
/** Values of .NET types, of which every member is allowed, or the one that is used here. */
const values = { RequestId: 'ToString', Timestamp: 'ToString', Elapsed: 'TotalMilliseconds' };
const types = new Set(
  'JObject Dictionary Convert Array StringComparison Newtonsoft.Json.Formatting Exception'.split(' '),
);

const usage = {
  prompt_tokens: 61,
  completion_tokens: 420,
  total_tokens: 481,
  prompt_tokens_details: { cached_tokens: 11 },
  completion_tokens_details: { reasoning_tokens: 20 },
};
const answer = { id: 'chatcmpl-1', model: 'gpt-4o-2024-11-20', service_tier: 'standard', usage, choices: [{}] };
const chat: Call = {
  path: '/openai/deployments/gpt-4o/chat/completions',
  requestType: 'application/json; charset=utf-8',
  requestBody: '{"model":"gpt-4o","messages":[{"role":"user","content":"secret prompt"}]}',
  subscription: 'retail-app',
  product: 'ai-retail',
  user: '1',
  operation: 'ChatCompletions_Create',
  status: 200,
  responseType: 'application/json',
  responseBody: JSON.stringify(answer),
};
const streamed: Call = {
  ...chat,
  requestBody: '{ "stream":true, "created": 1.0, "when":"2026-01-01T00:00:00.000Z"}',
  responseType: 'text/event-stream; charset=utf-8',
  responseBody: 'data: {}',
};

/** The call that ingest makes of the event; no field may be one that the decoder does not know. */
function decoded(text: string): Fields {
  const [first] = decodeMessage({ stream: 's', sequence_number: 1, enqueued_at_ms: 0, body: Buffer.from(text) });
  const { event } = present(first, 'a record');
  if (event.kind !== 'call') throw new Error(`decoded to ${JSON.stringify(event)}`);
  expect(event.source).toBe('apim_policy');
  expect(event.unknown_fields).toEqual([]);
  return event.fields;
}

const fieldsOf = (call: Call): Fields => decoded(run(call).event);

describe('the fragments', () => {
  test.each(fragments)('%s is well-formed and small', (name) => {
    expect(fragment(name).length).toBeLessThan(16_384);
  });

  test.each(Object.entries(expressions))('%s uses documented members and types only', (_, expression) => {
    for (const [, chain = ''] of expression.matchAll(/\bcontext((?:\??\.\w+)+)/g)) {
      const names = chain.replaceAll('?', '').slice(1).split('.');
      const [value = '', member] = names;
      if (value in values) expect([value, member]).toEqual([value, values[value as keyof typeof values]]);
      else expect(documented).toContain(names.join('.'));
    }
    const used = expression.matchAll(/\bnew (\w+)|\(([A-Z]\w+)\)|(?<![.\w"])([A-Z][\w.]*)\.\w+/g);
    for (const [, made, caught, read] of used) expect(types).toContain(made ?? caught ?? read);
  });

  test('no expression may make a text that has a culture', () => {
    for (const expression of Object.values(expressions)) {
      // "o" is ISO 8601 in every culture; a Guid and JSON have none.
      const texts = [...expression.matchAll(/(\w+)\.ToString\(([^)]*)\)/g)].map(([, name, format]) => [name, format]);
      for (const [name, format] of texts) {
        const neutral = { Timestamp: '"o"', RequestId: '' }[String(name)] ?? 'Newtonsoft.Json.Formatting.None';
        if (name !== 'Convert') expect([name, format]).toEqual([name, neutral]);
      }
    }
  });
});

describe('a call', () => {
  test('is logged with all that is known of it', () => {
    const { event, reads } = run(chat);
    expect(decoded(event)).toMatchObject({
      call_id: '0f3c6f8a-6f5e-4d5e-9c6a-2c7c1f5b9a01',
      started_at: '2026-08-20 09:15:31.446',
      gateway: 'apim-contoso',
      region: 'westeurope',
      consumer_id: 'retail-app',
      product_id: 'ai-retail',
      user_id: '1',
      api_id: 'azure-openai-api',
      operation_id: 'ChatCompletions_Create',
      operation_name: 'chat',
      deployment: 'gpt-4o',
      request_model: 'gpt-4o',
      response_model: 'gpt-4o-2024-11-20',
      response_id: 'chatcmpl-1',
      service_tier: 'standard',
      http_response_status_code: 200,
      request_stream: false,
      duration_ms: 4312,
      usage_input_tokens: 50,
      usage_cache_read_input_tokens: 11,
      usage_output_tokens: 400,
      usage_reasoning_output_tokens: 20,
      usage_total_tokens: 481,
      usage_quality: 'exact',
    });
    expect(reads).toEqual({ request: 1, response: 1 });
    expect(event).not.toContain('secret');
  });

  test('passes on the usage of every provider as it is', () => {
    const anthropic = {
      input_tokens: 10,
      cache_read_input_tokens: 5,
      cache_creation_input_tokens: 2,
      output_tokens: 7,
    };
    const { event } = run({
      ...chat,
      path: '/v1/messages',
      responseBody: JSON.stringify({ ...answer, usage: anthropic }),
    });
    expect(JSON.parse(event)).toMatchObject({ usage: anthropic, operationName: 'chat' });
    expect(decoded(event)).toMatchObject({ usage_input_tokens: 10, usage_cache_read_input_tokens: 5 });
  });

  test('of Gemini is logged with its usage, which no other log has', () => {
    const usageMetadata = {
      promptTokenCount: 9,
      cachedContentTokenCount: 4,
      candidatesTokenCount: 7,
      thoughtsTokenCount: 3,
      totalTokenCount: 19,
      trafficType: 'ON_DEMAND',
    };
    const body = { responseId: 'r1', modelVersion: 'gemini-2.5-pro', usageMetadata, candidates: ['secret'] };
    const { event } = run({
      ...chat,
      path: '/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent',
      responseBody: JSON.stringify(body),
    });
    expect(decoded(event)).toMatchObject({
      operation_name: 'generate_content',
      response_model: 'gemini-2.5-pro',
      response_id: 'r1',
      service_tier: 'standard',
      usage_input_tokens: 5,
      usage_cache_read_input_tokens: 4,
      usage_output_tokens: 7,
      usage_reasoning_output_tokens: 3,
      usage_quality: 'exact',
    });
    expect(event).not.toContain('secret');
  });

  const none: Call = { path: '/', status: null, requestBody: null };
  const cases: Record<string, [Call, Partial<Fields>]> = {
    'without subscription, product, user and operation': [
      { ...chat, subscription: null, product: null, user: null, operation: null },
      { consumer_id: '', product_id: '', user_id: '', operation_id: '', usage_quality: 'exact' },
    ],
    'that never got an answer': [
      { ...chat, status: null, errorReason: 'BackendConnectionFailure' },
      { http_response_status_code: null, error_type: 'BackendConnectionFailure', duration_ms: 4312 },
    ],
    'that the gateway refused': [
      { ...chat, status: 429, responseBody: '{"statusCode":429}', errorReason: 'RateLimitExceeded' },
      { http_response_status_code: 429, error_type: 'RateLimitExceeded', usage_quality: 'missing' },
    ],
    'that the backend refused': [
      { ...chat, status: 400, responseBody: '{"error":{"code":"x"}}' },
      { http_response_status_code: 400, error_type: '400', response_id: '' },
    ],
    'of which nothing is known': [none, { operation_name: '', request_stream: false, usage_quality: 'missing' }],
    'with a body that is not what it says': [
      { ...chat, requestBody: '[1,2', responseBody: '<html>' },
      { http_response_status_code: 200, consumer_id: 'retail-app', request_model: '', usage_quality: 'missing' },
    ],
    'with an answer that is an array': [
      { ...chat, responseBody: '[1]' },
      { response_id: '', duration_ms: 4312 },
    ],
    'with fields of other types': [
      { ...chat, responseBody: '{"id":7,"model":{"a":1},"usage":"none","service_tier":null}' },
      { response_id: '7', response_model: '{"a":1}', service_tier: '', usage_quality: 'missing' },
    ],
    'with texts that are too long': [
      { ...chat, requestBody: `{"model":"${'m'.repeat(9_000)}"}`, subscription: 's'.repeat(2_000) },
      { request_model: 'm'.repeat(256), consumer_id: 's'.repeat(256) },
    ],
    'with a usage that is too long': [
      { ...chat, responseBody: JSON.stringify({ id: 'r', usage: { prompt_tokens: 1, junk: 'x'.repeat(20_000) } }) },
      { response_id: 'r', usage_quality: 'missing' },
    ],
    'of an image, which is no JSON': [
      {
        ...chat,
        path: '/images',
        requestType: 'multipart/form-data',
        responseType: 'image/png',
        responseBody: '\u0000',
      },
      { deployment: '', request_model: '', usage_quality: 'missing' },
    ],
    'of embeddings': [
      { ...chat, path: '/v1/embeddings/' },
      { operation_name: 'embeddings', deployment: '' },
    ],
    'by a token instead of a subscription': [
      { ...chat, subscription: null, variables: { 'gatemeter-consumer': '6f0c1d2e-0000-4000-8000-000000000001' } },
      { consumer_id: '6f0c1d2e-0000-4000-8000-000000000001' },
    ],
    'with what the policy of the API adds': [
      { ...chat, variables: { 'gatemeter-provider': 'azure.ai.openai', 'gatemeter-backend': 'pool-1' } },
      { provider_name: 'azure.ai.openai', backend: 'pool-1' },
    ],
  };
  test.each(Object.entries(cases))('%s', (_, [call, expected]) => {
    expect(fieldsOf(call)).toMatchObject(expected);
  });
});

describe('a stream', () => {
  test('is never read, and says nothing that it cannot know', () => {
    const { event, reads } = run(streamed);
    expect(decoded(event)).toMatchObject({ request_stream: true, duration_ms: null, usage_quality: 'missing' });
    expect(reads.response).toBe(0);
  });

  test.each([
    { ...streamed, requestBody: '{}' },
    { ...streamed, responseType: 'application/json' },
    { ...chat, path: '/v1beta/models/gemini:streamGenerateContent' },
  ])('is recognised by its request, its address or its answer', (call) => {
    const { event, reads } = run(call);
    expect(decoded(event).request_stream).toBe(true);
    expect(reads.response).toBe(0);
  });

  test('is asked for its usage, and nothing else of the request changes', () => {
    const before = String(streamed.requestBody);
    const after = String(run(streamed).requestBody);
    expect(after).toBe(before.replace('{', '{"stream_options":{"include_usage":true},'));
    expect(JSON.parse(after)).toMatchObject({ ...JSON.parse(before), stream_options: { include_usage: true } });
  });

  test.each([
    chat,
    { ...streamed, path: '/v1/messages' },
    { ...streamed, requestBody: '{"stream":true,"stream_options":{"include_usage":false}}' },
    { ...streamed, requestBody: '{"stream":false}' },
    { ...streamed, requestBody: 'not JSON' },
    { ...streamed, requestBody: null },
  ])('every other request goes on as it came', (call) => {
    expect(run(call).requestBody).toBe(call.requestBody);
  });
});
