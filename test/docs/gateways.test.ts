import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { decodeMessage, isSource } from '../../ingest/decode.ts';
import { apiparkSchema } from '../../ingest/sources/apipark.ts';
import { messageAt } from '../ingest/fixtures.ts';

const docs = new URL('../../docs/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, docs), 'utf8');

type Plugin = { readonly name: string; readonly config: Readonly<Record<string, unknown>> };
type Kong = {
  readonly _format_version: string;
  readonly services?: readonly { readonly name: string; readonly plugins: readonly Plugin[] }[];
  readonly plugins: readonly Plugin[];
};

const kong = (name: string): Kong => parse(read(`kong/${name}`)) as Kong;

function configOf(plugins: readonly Plugin[], name: string): Readonly<Record<string, unknown>> {
  const found = plugins.filter((plugin) => plugin.name === name);
  expect(found.length, `one plugin ${name}`).toBe(1);
  return found[0]?.config ?? {};
}

/** Every text of a configuration, whatever it is below. */
function texts(json: unknown): string[] {
  if (typeof json === 'string') return [json];
  return typeof json === 'object' && json !== null ? Object.values(json).flatMap(texts) : [];
}

describe('docs/kong', () => {
  const files = readdirSync(new URL('kong/', docs));

  test.each(files)('%s is a declarative configuration whose keys come from the environment', (name) => {
    const file = kong(name);
    expect(file._format_version).toBe('3.0');
    expect(file.plugins.length).toBe(1);
    for (const text of texts(file)) expect(text).not.toMatch(/sk-|gm_|SharedAccessKey|Bearer (?!\$\{\{)/);
    expect(read('connect-kong.md')).toContain(`](kong/${name})`);
  });

  test.each(files)(
    '%s names the installation in a field that the decoder reads, and leaves out what it drops',
    (name) => {
      const fields = kong(name).plugins[0]?.config['custom_fields_by_lua'] as Record<string, string>;
      const record = {
        started_at: 1_787_217_331_446,
        request: { id: '7c1d0a4be5f2439c8d67000000000001' },
        latencies: {},
      };
      const literals = Object.entries(fields).flatMap(([field, code]) => {
        const literal = /^return '([^']+)'$/.exec(code)?.[1];
        expect(literal ?? code).toMatch(/^(?:[\w-]+|return nil)$/);
        return literal === undefined ? [] : [[field, literal] as const];
      });
      const [decoded] = decodeMessage(messageAt(0, { ...record, ...Object.fromEntries(literals) }));
      expect(decoded?.event).toMatchObject({
        fields: { gateway: fields['gateway']?.split("'")[1], region: fields['region']?.split("'")[1] },
        unknown_fields: [],
      });
      // Streams, limits and links are told by headers, which must stay but for what may hold a key.
      const removed = Object.keys(fields).filter((field) => fields[field] === 'return nil');
      expect(removed).toEqual(['request.querystring', 'request.headers.cookie', 'request.headers.apikey']);
    },
  );

  test('http-log.yaml posts to the intake, with statistics on and payloads off', () => {
    const file = kong('http-log.yaml');
    const log = configOf(file.plugins, 'http-log');
    const source = /^https:\/\/[^/]+\/v1\/intake\/(\w+)$/.exec(String(log['http_endpoint']))?.[1] ?? '';
    expect(source).toBe('kong');
    expect(isSource(source, [])).toBe(true);
    expect(log).toMatchObject({
      method: 'POST',
      content_type: 'application/json',
      headers: { Authorization: 'Bearer ${{ env "DECK_GATEMETER_KEY" }}' },
    });
    const queue = log['queue'] as Record<string, number>;
    // The record of a call has about 4 KB; the intake takes 16 MB, a message 10,000 records.
    expect(queue['max_batch_size']).toBeGreaterThan(1);
    expect(queue['max_batch_size']).toBeLessThanOrEqual(1_000);
    expect(queue['max_retry_time']).toBeGreaterThanOrEqual(3_600);
    const proxy = configOf(file.services?.[0]?.plugins ?? [], 'ai-proxy');
    expect(proxy['logging']).toEqual({ log_statistics: true, log_payloads: false });
  });

  test('file-log.yaml writes the file that the guide imports', () => {
    const log = configOf(kong('file-log.yaml').plugins, 'file-log');
    expect(read('connect-kong.md')).toContain(`npm run import -- ${String(log['path'])} --source kong`);
  });

  test('kafka-log.yaml is what Event Hubs asks of a Kafka client, and the guide says that it was not tried', () => {
    expect(configOf(kong('kafka-log.yaml').plugins, 'kafka-log')).toMatchObject({
      bootstrap_servers: [{ host: 'contoso.servicebus.windows.net', port: 9093 }],
      authentication: { strategy: 'sasl', mechanism: 'PLAIN', user: '$ConnectionString' },
      security: { ssl: true },
    });
    expect(read('connect-kong.md')).toContain('nobody on this project has run the two together');
  });
});

describe('docs/apipark/formatter.json', () => {
  const formatter = JSON.parse(read('apipark/formatter.json')) as Record<string, string[]>;

  /** The record that apinto makes of a formatter: a variable, a constant or a list, under its own name or another. */
  function recordOf(name: string, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const fields = formatter[name] ?? [];
    return Object.fromEntries(
      fields.map((field) => {
        const [what = '', , alias] = field.split(' ');
        if (what.startsWith('@')) return [what.slice(1, -1), [recordOf(what.slice(1, -1), values)]];
        const variable = what.startsWith('$') ? what.slice(1) : null;
        return [alias ?? variable ?? what, variable === null ? what : (values[variable] ?? '')];
      }),
    );
  }

  test('asks for no body, no header but the type of the answer, and no key', () => {
    const all = Object.values(formatter).flat();
    expect(all.filter((field) => /body|header|authorization|ai_key|query|cookie/.test(field))).toEqual([
      '$response_header_content_type as response_content_type',
    ]);
    expect(
      all.filter((field) => !/^(?:\$\w+(?: as \w+)?|@\w+#|gatemeter\.apipark\.v1 as schema)$/.test(field)),
    ).toEqual([]);
  });

  test('makes a record that is read whole', () => {
    const values = {
      request_id: 'b7f1a8d2-0000-4000-8000-000000000001',
      cluster: 'default',
      node: 'n1',
      msec: 1_787_217_331_446,
      request_time: 4312,
      status: 200,
      service: 'svc-chat',
      api: 'chat',
      api_id: 'api-1',
      application: 'Retail',
      application_id: 'retail-app',
      uri: '/v1/chat/completions',
      proxy_status: 200,
      proxy_host: 'api.openai.com',
      proxy_path: '/v1/chat/completions',
      src_ip: '203.0.113.7',
      request_length: 612,
      response_length: '1877',
      response_header_content_type: 'application/json',
      ai_provider: 'openai',
      ai_model: 'gpt-4o',
      ai_model_input_token: 61,
      ai_model_output_token: 420,
      ai_model_total_token: 481,
      ai_model_status: 'normal',
    };
    const record = recordOf('fields', values);
    expect(record['schema']).toBe(apiparkSchema);
    const [decoded] = decodeMessage(messageAt(0, record));
    expect(decoded?.event).toMatchObject({
      kind: 'call',
      source: 'apipark',
      unknown_fields: [],
      fields: {
        call_id: values.request_id,
        consumer_id: 'retail-app',
        product_id: 'svc-chat',
        api_id: 'api-1',
        started_at: '2026-08-20 09:15:31.446',
        duration_ms: 4312,
        http_response_status_code: 200,
        request_bytes: 612,
        response_bytes: 1877,
        request_stream: false,
        attempts: 1,
        usage_input_tokens: 61,
        usage_output_tokens: 420,
        usage_quality: 'exact',
      },
    });
  });

  test('an unset variable is an empty text, and stays unset', () => {
    const record = recordOf('fields', { request_id: 'b7f1a8d2-0000-4000-8000-000000000002', msec: 1_787_217_331_446 });
    const [decoded] = decodeMessage(messageAt(0, record));
    expect(decoded?.event).toMatchObject({ kind: 'gateway', fields: { consumer_id: '', usage_input_tokens: null } });
  });
});
