import type { JsonObject } from '../../ingest/reader.ts';

/** A file of docs/mappings, records as its gateway writes them, and what they must become; fields left out are unset. */
export type Sample = {
  readonly file: string;
  readonly record: JsonObject;
  readonly becomes: Readonly<Record<string, unknown>>;
};

const id = '8bfc995b-4f15-483b-8423-33f634865f14';
const hex = '4bf92f3577b34da6a3ce929d0e0e4736';

/** hoophq/hoop gateway/transport/plugins/webhooks/session.open.schema.json (MIT), own values. */
export const hoopRecord: JsonObject = {
  event_type: 'session.open',
  id,
  user_id: 'google-oauth2|1',
  user_email: 'ada@contoso.com',
  connection: 'claude-prod',
  connection_type: 'httpproxy',
  connection_envs: null,
  input: 'SECRET-base64',
  is_input_truncated: false,
  input_size: 11,
  input_envs: [],
  has_input_args: false,
  command: 'SECRET-command',
  verb: 'exec',
};

/** Variables of Apigee's flow variables reference, in the template of docs/connect-any-gateway.md. */
export const apigeeRecord: JsonObject = {
  apigee: {
    organization: 'Contoso-Prod',
    region: 'europe-west1',
    messageid: id,
    requestId: hex,
    proxy: 'llm',
    flow: 'chat',
    product: 'ai-retail',
    app: 'retail-web',
    clientId: 'c1',
  },
  client: { receivedStart: '1787217331446', sentEnd: '1787217335758' },
  target: {
    url: 'https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent?key=SECRET',
    status: '200',
    sentStart: 1_787_217_331_500,
    receivedEnd: 1_787_217_335_700,
  },
  status: '200',
  faultName: '',
  cacheHit: 'false',
  stream: '',
  usage:
    '{"promptTokenCount":1200,"cachedContentTokenCount":1024,"candidatesTokenCount":210,"thoughtsTokenCount":640,"totalTokenCount":2050,"trafficType":"ON_DEMAND"}',
};

/** Variables of nginx' ngx_http_upstream_module and ngx_http_log_module, all of them texts. */
export const nginxRecord: JsonObject = {
  log: 'nginx_ai',
  host: 'llm.contoso.com',
  msec: '1787217331.446',
  request_id: hex,
  upstream_request_id: id,
  uri: '/openai/deployments/gpt-4o/chat/completions',
  status: '200',
  request_time: '4.312',
  upstream_addr: '10.0.0.4:443, 10.0.0.5:443',
  upstream_status: '503, 200',
  upstream_response_time: '0.250, 4.050',
  upstream_header_time: '0.250, 0.654',
  consumer: 'retail-web',
  model: 'gpt-4o',
  cache: 'MISS',
  request_length: '2048',
  bytes_sent: '4096',
  prompt_tokens: '61',
  cached_tokens: '11',
  completion_tokens: '420',
};

const hoop = {
  kind: 'gateway',
  call_id: id,
  gateway: 'hoop',
  consumer_id: 'ada@contoso.com',
  user_id: 'google-oauth2|1',
  api_id: 'claude-prod',
  operation_id: 'exec',
  request_bytes: 11,
  truncated: false,
};

const apigee = {
  kind: 'call',
  call_id: id,
  linked_ids: [hex],
  gateway: 'contoso-prod',
  started_at: '2026-08-20 09:15:31.446',
  consumer_id: 'retail-web',
  product_id: 'ai-retail',
  api_id: 'llm',
  operation_id: 'chat',
  operation_name: 'generate_content',
  provider_name: 'gcp.vertex_ai',
  request_model: 'gemini-2.5-pro',
  backend: 'europe-west1-aiplatform.googleapis.com',
  region: 'europe-west1',
  service_tier: 'standard',
  cache_status: 'miss',
  http_response_status_code: 200,
  backend_response_status_code: 200,
  duration_ms: 4_312,
  backend_ms: 4_200,
  usage_input_tokens: 176,
  usage_cache_read_input_tokens: 1_024,
  usage_output_tokens: 210,
  usage_reasoning_output_tokens: 640,
  usage_total_tokens: 2_050,
  usage_quality: 'exact',
};

const nginx = {
  kind: 'call',
  call_id: hex,
  linked_ids: [id],
  gateway: 'llm.contoso.com',
  started_at: '2026-08-20 09:15:31.446',
  consumer_id: 'retail-web',
  operation_name: 'chat',
  request_model: 'gpt-4o',
  deployment: 'gpt-4o',
  backend: '10.0.0.5:443',
  cache_status: 'miss',
  http_response_status_code: 200,
  backend_response_status_code: 200,
  duration_ms: 4_312,
  backend_ms: 4_300,
  time_to_first_token_ms: 654,
  attempts: 2,
  request_bytes: 2_048,
  response_bytes: 4_096,
  usage_input_tokens: 50,
  usage_cache_read_input_tokens: 11,
  usage_output_tokens: 420,
  usage_quality: 'exact',
};

const { service_tier: _tier, ...apigeeUncounted } = Object.fromEntries(
  Object.entries(apigee).filter(([name]) => !name.startsWith('usage_')),
);

export const samples: readonly Sample[] = [
  { file: 'hoop.json', record: hoopRecord, becomes: hoop },
  {
    file: 'hoop.json',
    record: { EVENT_TYPE: 'session.open', ID: id, Connection: 'c', Verb: 'connect', User_Id: 'u' },
    becomes: {
      kind: 'gateway',
      call_id: id,
      gateway: 'hoop',
      consumer_id: 'u',
      user_id: 'u',
      api_id: 'c',
      operation_id: 'connect',
    },
  },
  { file: 'apigee.json', record: apigeeRecord, becomes: apigee },
  {
    file: 'apigee.json',
    record: { ...apigeeRecord, status: 429, faultName: 'policies.ratelimit.QuotaViolation', target: null, usage: '' },
    becomes: {
      ...Object.fromEntries(
        Object.entries(apigeeUncounted).filter(
          ([name]) =>
            ![
              'operation_name',
              'provider_name',
              'request_model',
              'backend',
              'backend_ms',
              'backend_response_status_code',
            ].includes(name),
        ),
      ),
      http_response_status_code: 429,
      error_type: 'policies.ratelimit.QuotaViolation',
      usage_quality: 'missing',
    },
  },
  { file: 'nginx.json', record: nginxRecord, becomes: nginx },
  {
    file: 'nginx.json',
    record: {
      log: 'nginx_ai',
      host: 'llm.contoso.com',
      msec: '1787217331.446',
      request_id: hex,
      uri: '/healthz',
      status: '502',
      request_time: '0.000',
      upstream_status: '-',
      upstream_response_time: '-',
      cache: '-',
      prompt_tokens: '',
    },
    becomes: {
      kind: 'call',
      call_id: hex,
      gateway: 'llm.contoso.com',
      started_at: '2026-08-20 09:15:31.446',
      http_response_status_code: 502,
      error_type: '502',
      duration_ms: 0,
      usage_quality: 'missing',
    },
  },
];
