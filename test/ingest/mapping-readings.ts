import type { JsonObject } from '../../ingest/reader.ts';

/** Columns of a mapping, a record, and what its columns become, or why it is rejected. */
export const readings: readonly (readonly [
  what: string,
  fields: JsonObject,
  record: JsonObject,
  becomes: JsonObject,
])[] = [
  ['a constant', { provider_name: { constant: 'openai' } }, {}, { provider_name: 'openai' }],
  [
    'alternatives: the first that says something',
    { region: ['a', 'b.c', { constant: 'x' }] },
    { a: 'NA', b: '{"C":"y"}' },
    { region: 'y' },
  ],
  ['a name with dots', { region: '["a.b"].c[1]' }, { 'a.b': { c: [0, 'z'] } }, { region: 'z' }],
  ['seconds', { duration_ms: { path: 'd', unit: 's' } }, { d: '0.1235' }, { duration_ms: 124 }],
  ['microseconds', { duration_ms: { path: 'd', unit: 'us' } }, { d: 1_500 }, { duration_ms: 2 }],
  ['nanoseconds', { duration_ms: { path: 'd', unit: 'ns' } }, { d: '1500000000' }, { duration_ms: 1_500 }],
  [
    'seconds since 1970',
    { started_at: { path: 't', unit: 'epoch_s' } },
    { t: 1_787_217_331.446 },
    { started_at: '2026-08-20 09:15:31.446' },
  ],
  [
    'nanoseconds since 1970',
    { started_at: { path: 't', unit: 'epoch_ns' } },
    { t: '1787217331446999999' },
    { started_at: '2026-08-20 09:15:31.446' },
  ],
  [
    'ISO 8601',
    { started_at: { path: 't', unit: 'iso8601' } },
    { t: '2026-08-20T11:15:31.4469+02:00' },
    { started_at: '2026-08-20 09:15:31.446' },
  ],
  [
    'from one time to another',
    { backend_ms: { between: ['a', 'b'], unit: 'iso8601' } },
    { a: '2026-08-20T09:15:31Z', b: '2026-08-20T09:15:32.5Z' },
    { backend_ms: 1_500 },
  ],
  ['a time that is missing', { backend_ms: { between: ['a', 'b'] } }, { a: '2026-08-20T09:15:31Z' }, {}],
  [
    'a translation',
    { throttled_by: { path: 'x', values: { TOKENS: 'token_limit' } } },
    { x: 'TOKENS' },
    { throttled_by: 'token_limit' },
  ],
  [
    'a word that no translation knows',
    { throttled_by: { path: 'x', values: { TOKENS: 'token_limit' } } },
    { x: 'OTHER' },
    {},
  ],
  ['a percentage', { sample_fraction: { path: 'p', unit: 'percent' } }, { p: 25 }, { sample_fraction: 0.25 }],
  ['a URL in a text', { region: 'u' }, { u: 'https://a/b?key=SECRET' }, { region: 'https://a/b?[redacted]' }],
  [
    'a status of an error',
    { http_response_status_code: 's' },
    { s: '503' },
    { http_response_status_code: 503, error_type: '503' },
  ],
  [
    'a number that is none',
    { request_bytes: 'n' },
    { n: 'many' },
    { reason: 'wrong_type', detail: 'n is not a whole number' },
  ],
  [
    'a duration that is none',
    { duration_ms: { path: 'd', unit: 's' } },
    { d: '1,5' },
    { reason: 'wrong_type', detail: 'd is not a whole number' },
  ],
  [
    'a negative duration',
    { duration_ms: { path: 'd', unit: 's' } },
    { d: -1 },
    { reason: 'negative_number', detail: 'd is negative' },
  ],
  [
    'an end before its beginning',
    { duration_ms: { between: ['a', 'b'], unit: 'epoch_ms' } },
    { a: 1_787_217_331_446, b: 1_787_217_331_445 },
    { reason: 'number_out_of_range', detail: 'b is before a' },
  ],
  [
    'more attempts than any gateway makes',
    { attempts: 'n' },
    { n: 70_000 },
    { reason: 'number_out_of_range', detail: 'attempts are above 1000' },
  ],
  ['an object where a text is wanted', { region: 'o' }, { o: {} }, { reason: 'wrong_type', detail: 'o is not a text' }],
  [
    'a share above the whole',
    { sample_fraction: 'p' },
    { p: 1.5 },
    { reason: 'number_out_of_range', detail: 'p is no share above 0 and at most 1' },
  ],
  [
    'a list with a word in it',
    { duration_ms: { path: 'd', unit: 's', list: 'sum' } },
    { d: '1, x' },
    { reason: 'wrong_type', detail: 'a member of a list is not a number' },
  ],
];
