import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeMessage } from '../../ingest/decode.ts';
import type { Event } from '../../ingest/event.ts';
import type { Json, JsonObject } from '../../ingest/reader.ts';
import { redactJson, redactKept, redactText } from '../../ingest/redact.ts';
import { messageRows } from '../../ingest/rows.ts';
import { maskSecrets } from '../../ingest/secret.ts';
import { fixtures, messageAt } from './fixtures.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`redact.test.ts runs with SEED=${seed}`);

const secret = 'CANARYa1b2';

/** Names under which a text is what somebody said, as gateways and providers spell them. */
const textNames =
  'messages content prompt Input output completion body requestBody responseBody backendRequestBody requestMessages ResponseMessages request_messages text ARGUMENTS system instructions query querystring error_str gen_ai.prompt gen_ai.input.messages input_text traceRecords message predictions instances documents'.split(
    ' ',
  );
const secretNames =
  'Authorization api-key api_key Ocp-Apim-Subscription-Key x-api-key cookie Set-Cookie subscription-key password client_secret sig token access_token SharedAccessKey x-functions-key proxy-authorization connectionString'.split(
    ' ',
  );

/** Texts that open doors, wherever they stand. */
const doors = [
  `Bearer ${secret}`,
  `Basic ${secret}`,
  `sk-${secret}`,
  `sk-proj-${secret}_x`,
  `gm_${secret}`,
  `eyJ${secret}.${secret}.${secret}`,
  `https://h/p?subscription-key=${secret}`,
  `https://user:${secret}@h/p`,
  `GET /v1/x?key=${secret} HTTP/1.1`,
  `sv=1&sig=${secret}&se=2`,
  `password=${secret}`,
  `https://h/p#${secret}`,
  `a ${'x'.repeat(300)} ${secret}`,
];

const said = fc.oneof(
  fc.constantFrom(secret, `say ${secret} twice`, `"${secret}"`, `${'word '.repeat(90)}${secret}`),
  fc.string({ maxLength: 30 }).map((text) => `${text} ${secret}`),
);

/** A value that holds the secret where it must not survive, with its name. */
const hidden: fc.Arbitrary<[name: string, value: Json]> = fc.oneof(
  fc.tuple(fc.constantFrom(...textNames), said),
  fc.tuple(
    fc.constantFrom('messages', 'contents', 'choices', 'requestMessages'),
    said.map((text) => [
      { role: 'user', content: text },
      { role: 'user', content: [{ type: 'text', text }] },
    ]),
  ),
  fc.tuple(
    fc.constantFrom(...textNames.slice(0, 6)),
    said.map((text): Json => [text, { parts: [{ text }] }]),
  ),
  fc.tuple(
    fc.constantFrom('responseBody', 'response', 'backendResponseBody'),
    said.map((text) => JSON.stringify({ id: 'chatcmpl-1', choices: [{ message: { content: text } }], x: text })),
  ),
  fc.tuple(fc.constantFrom(...secretNames), fc.constantFrom<Json>(secret, [secret], { value: secret })),
  fc.tuple(
    fc.constantFrom('requestHeaders', 'responseHeaders', 'headers', 'backendRequestHeaders'),
    fc.constantFrom<Json>({ 'x-own': secret, authorization: secret }, `authorization=${secret}`),
  ),
  fc.tuple(fc.constantFrom('url', 'note', 'lastErrorPath', 'uri', 'reason'), fc.constantFrom(...doors)),
  fc.tuple(
    fc.constantFrom('attributes', 'tags'),
    said.map((text): Json => [{ key: 'gen_ai.prompt', value: { stringValue: text } }]),
  ),
  fc.tuple(
    fc.constant('nested'),
    said.map((text) => JSON.stringify({ properties: JSON.stringify({ prompt: text }) })),
  ),
  fc.tuple(
    fc.constant('tables'),
    said.map((text): Json => [{ columns: [{ name: 'RequestMessages' }], rows: [[text]] }]),
  ),
);

const kept = {
  correlationId: '0f3c6f8a-6f5e-4d5e-9c6a-000000000001',
  requestId: 'chatcmpl-AbC123',
  time: '2026-08-20T09:15:31.4465902Z',
  started_at: 1_787_217_331_446,
  modelName: 'gpt-4o-2024-11-20',
  resourceId: '/SUBSCRIPTIONS/12CABCB4/PROVIDERS/MICROSOFT.APIMANAGEMENT/SERVICE/APIM-CONTOSO',
  apimSubscriptionId: 'retail-app',
  promptTokens: 61,
  prompt_token: '61',
  usage: { prompt_tokens: 61, completion_tokens: '420', prompt_tokens_details: { cached_tokens: 7 } },
  lastError: { reason: 'RateLimitExceeded', elapsed: 3 },
};

/** Puts the hidden values at the top, inside `properties`, as its text, or in a list, whatever their casing. */
const records: fc.Arbitrary<JsonObject> = fc
  .tuple(fc.array(hidden, { minLength: 1, maxLength: 6 }), fc.nat({ max: 3 }), fc.boolean())
  .map(([values, place, upper]) => withHidden(values, place, upper));

function withHidden(values: readonly [string, Json][], place: number, upper: boolean): JsonObject {
  const secrets = Object.fromEntries(values.map(([name, value]) => [upper ? name.toUpperCase() : name, value]));
  const inside: JsonObject = { ...secrets, ...kept };
  if (place === 0) return inside;
  if (place === 1) return { ...kept, properties: inside };
  return place === 2 ? { ...kept, properties: JSON.stringify(inside) } : { ...kept, records: [[inside]] };
}

test('no text, query string, key or token survives, and every count, id and time does', () => {
  fc.assert(
    fc.property(records, (record) => {
      const clean = redactJson(record) as JsonObject;
      expect(JSON.stringify(clean)).not.toContain('CANARY');
      expect(clean).toMatchObject(record['correlationId'] === undefined ? {} : kept);
      const inside = clean['properties'];
      if (inside !== undefined) expect(typeof inside === 'string' ? JSON.parse(inside) : inside).toMatchObject(kept);
      // Once is enough: what is redacted is not redacted again into something else.
      expect(JSON.stringify(redactJson(redactJson(clean)))).not.toContain('CANARY');
    }),
    { seed, numRuns: 3_000 },
  );
});

test('the same texts broken off anywhere let nothing out either', () => {
  fc.assert(
    fc.property(records, fc.nat({ max: 999 }), fc.boolean(), (record, cut, pretty) => {
      const text = JSON.stringify(record, null, pretty ? 1 : 0);
      expect(redactKept(text.slice(0, Math.floor((text.length * cut) / 1_000)))).not.toContain('CANARY');
      expect(redactKept(`${JSON.stringify(record)}\n{"broken":${text.slice(1, -1)}`)).not.toContain('CANARY');
    }),
    { seed, numRuns: 2_000 },
  );
});

test('a rejected record that is redacted is rejected again for the same reason, and one that is understood the same', () => {
  for (const fixture of fixtures()) {
    if (wholeTexts.has(fixture.source)) continue;
    for (const body of fixture.messages) {
      if (typeof body !== 'object') continue;
      const before = decodeMessage(messageAt(0, body)).map(({ event }) => event);
      const after = decodeMessage(messageAt(0, redactJson(body as Json))).map(({ event }) => event);
      expect(after.map(comparable), fixture.path).toEqual(before.map(comparable));
    }
  }
});

/** Formats that write whole HTTP messages as texts: of those no more is kept than that they came. */
const wholeTexts = new Set(['apim_http_message', 'moesif']);

/** What may be lost, because it stands in texts: the model that a logged request asks for, what a filter found, why
 * an instance started. */
const inTexts = {
  request_model: '',
  moderation_outcome: '',
  moderation_category: '',
  moderation_severity: '',
  event_reason: '',
};

function comparable(event: Event): unknown {
  return 'fields' in event ? { ...event, fields: { ...event.fields, ...inTexts } } : event;
}

function bodyOf(body: Uint8Array, keep?: 'all'): string {
  const [row] = messageRows({ ...messageAt(0, ''), body }, keep === undefined ? {} : { keep }).rows;
  return row?.content ?? '';
}

describe('every way to keep a rejected message', () => {
  test('is redacted unless all is asked for', () => {
    const text = JSON.stringify({ unknown: 1, prompt: secret });
    expect(bodyOf(Buffer.from(text))).not.toContain('CANARY');
    expect(bodyOf(Buffer.from(text), 'all')).toContain('CANARY');
  });

  test('keeps of bytes that are not UTF-8 their number alone', () => {
    const bytes = Buffer.concat([Buffer.from([0xff]), Buffer.from(secret)]);
    expect(bodyOf(bytes)).toContain('[redacted 11 bytes]');
    expect(bodyOf(bytes, 'all')).toContain(bytes.toString('base64'));
  });

  test('holds for any record that no decoder knows', () => {
    fc.assert(
      fc.property(records, (record) => {
        const { rows } = messageRows(messageAt(0, record));
        expect(rows.map((row) => row.kind)).toContain('rejected');
        for (const row of rows) expect(row.content).not.toContain('CANARY');
        expect(messageRows(messageAt(0, record)).rows).toEqual(rows);
      }),
      { seed, numRuns: 1_000 },
    );
  });
});

test('nesting deeper than any stack is cut, whatever it nests', () => {
  let deep: Json = secret;
  for (let depth = 0; depth < 5_000; depth += 1) deep = depth % 2 === 0 ? [deep] : { a: deep };
  expect(JSON.stringify(redactJson(deep))).toContain('nested deeper');
  let text = JSON.stringify({ prompt: secret });
  for (let depth = 0; depth < 12; depth += 1) text = JSON.stringify({ properties: text });
  expect(redactKept(text)).not.toContain('CANARY');
  const opened = redactKept(`${'['.repeat(400_000)}"${secret}"${']'.repeat(400_000)}`);
  expect(opened).not.toContain('CANARY');
});

test('an HTTP message as text keeps its id and its path, not its headers nor its body', () => {
  const text = `request:6d0c7f2e-1b2a-4d0e-8a59-1f0f6f2f9a10\nPOST /chat?key=${secret} HTTP/1.1\r\nContent-Type: application/json\r\nX-Own: ${secret} and more\r\nAuthorization: Bearer ${secret}\r\n\r\n{"prompt":"${secret}"}`;
  const clean = redactText(text);
  expect(clean).not.toContain('CANARY');
  expect(clean).toContain('6d0c7f2e-1b2a-4d0e-8a59-1f0f6f2f9a10');
  expect(clean).toContain('POST /chat?[redacted] HTTP/1.1');
});

test('what looks like a secret and is none stays', () => {
  const harmless = [
    'gpt-4o-mini',
    '/subscriptions/1/resourceGroups/rg',
    '2026-08-20T09:15:31.446Z',
    '0f3c6f8a-6f5e-4d5e-9c6a-000000000001',
    'https://api.openai.com/v1/chat/completions',
    'StandardV2',
    'task-runner',
    'RateLimitExceeded',
    'Basic',
  ];
  for (const text of harmless) expect(maskSecrets(text)).toBe(text);
});

test.each(
  'userPrompt generated_text outputText lastMessage chat_history input.value generation responseText preamble'.split(
    ' ',
  ),
)('%s is a name of a text, however a provider spells it', (name) => {
  expect(redactKept(JSON.stringify({ [name]: secret, [name.toUpperCase()]: [secret] }))).not.toContain('CANARY');
  expect(redactKept(JSON.stringify({ attributes: [{ key: name, value: { stringValue: secret } }] }))).not.toContain(
    'CANARY',
  );
});

test.each([
  JSON.stringify(`my sister is ${secret}`),
  JSON.stringify({ foo: `my sister is ${secret}` }),
  JSON.stringify({ a: [{ b: [`is ill, ${secret}`] }] }),
  `my sister is ${secret} since May`,
  `{'content': 'my sister is ${secret}'}`,
  JSON.stringify({ foo: '\u79c1\u306e\u59c9\u306f\u75c5\u6c17\u3067\u3059' }),
  '\u79c1\u306e\u59c9\u306f\u75c5\u6c17\u3067\u3059',
])('a sentence is what somebody said, under whatever name or none: %s', (text) => {
  const row = bodyOf(Buffer.from(text));
  expect(row).toContain('redacted');
  for (const said of ['CANARY', 'sister', '\u75c5']) expect(row).not.toContain(said);
});

test('names that have words, instants and counts under names of prompts are kept for a replay', () => {
  const record = {
    location: 'West Central US',
    apiName: 'Azure OpenAI API version 2024-02-15-preview',
    context: { requestId: 'r1' },
    timestamp: '5/24/2024 2:45:56 PM',
    ai_model_status: 'quota exhausted',
    tokens_prompt: '61',
    isStreamCompletion: 'True',
  };
  expect(redactJson(record)).toEqual(record);
});

test('names of fields that are data say nothing either: of what is understood, and in the reason of a reject', () => {
  const understood = { ApiId: 'a', ResponseStatusCode: 200, BackendResponseTime: 1 };
  for (const name of [`my sister is ill ${secret}`, `sk-${secret}`, `https://h/p?key=${secret}`]) {
    expect(messageRows(messageAt(0, { ...understood, [name]: 1 })).rows[0]).toMatchObject({ kind: 'call' });
    for (const body of [{ ...understood, [name]: 1 }, { [name]: 1 }, { category: name, properties: {} }])
      expect(JSON.stringify(messageRows(messageAt(0, body)).rows)).not.toContain('CANARY');
  }
});

test('the network of a caller stays, the caller does not', () => {
  const clean = redactJson({ callerIpAddress: '203.0.113.77', client_ip: '2001:db8:1:2::3', RequestIp: '81.2.69.***' });
  expect(clean).toEqual({
    callerIpAddress: '203.0.113.0/24',
    client_ip: '2001:db8:1::/48',
    RequestIp: '81.2.69.0/24',
  });
});

test('a megabyte of anything is redacted in time that grows no faster than it does', () => {
  for (const part of ['-eyJ', ',/', '"', '{"a":', '":"', 'key=', '\n', '\\', 'a-', 'http://', 'x: ']) {
    const began = performance.now();
    redactKept(part.repeat(Math.floor(1_048_576 / part.length)));
    expect(performance.now() - began, part).toBeLessThan(5_000);
  }
});
