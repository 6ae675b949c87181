/** Messages that no decoder understands, one of each kind, and the reason that each must be kept with. */
export const poison: readonly { readonly name: string; readonly body: Uint8Array; readonly reason: string }[] = [
  { name: 'cut JSON', body: text('{"records":[{"category":"GatewayLogs","correlationId":"cut'), reason: 'not_json' },
  { name: 'text', body: text('plain text from a misdirected logger'), reason: 'not_json' },
  { name: 'NUL bytes', body: new Uint8Array(64), reason: 'not_json' },
  { name: 'empty', body: new Uint8Array(0), reason: 'empty' },
  { name: 'invalid UTF-8', body: Uint8Array.from([0x7b, 0xff, 0xfe, 0xc3, 0x28, 0x7d]), reason: 'not_utf8' },
  { name: 'a number', body: text('42'), reason: 'not_an_object' },
  { name: 'null', body: text('null'), reason: 'not_an_object' },
  { name: 'an unknown category', body: record({ category: '\ud800\u0000Audit\u{1f600}' }), reason: 'unknown_category' },
  { name: 'a category that every object has', body: record({ category: 'constructor' }), reason: 'unknown_category' },
  { name: 'no category', body: record({ 'lone \udfff name': 'a\u0000b' }), reason: 'unknown_format' },
  { name: 'a text for a number', body: usage({ promptTokens: 'many' }), reason: 'wrong_type' },
  { name: 'an object for a text', body: usage({ modelName: { a: 1 } }), reason: 'wrong_type' },
  { name: 'a fraction', body: usage({ promptTokens: 1.5 }), reason: 'wrong_type' },
  {
    name: 'beyond a double',
    body: text(usageText({}).replace('"promptTokens":1', '"promptTokens":1e400')),
    reason: 'wrong_type',
  },
  { name: 'a negative count', body: usage({ promptTokens: -5 }), reason: 'negative_number' },
  {
    name: 'above 2^53',
    body: text(usageText({}).replace('"promptTokens":1', '"promptTokens":9007199254740993')),
    reason: 'number_out_of_range',
  },
  { name: 'a date of 1970', body: usage({}, { time: '1970-01-01T00:00:00Z' }), reason: 'time_out_of_range' },
  { name: 'no time', body: usage({}, { time: null }), reason: 'missing_time' },
  { name: 'no correlation id', body: usage({}, { correlationId: ' ' }), reason: 'missing_correlation_id' },
  { name: 'properties as a list', body: usage({}, { properties: [] }), reason: 'wrong_type' },
  { name: 'a long text', body: usage({ modelName: 'x'.repeat(2_000) }), reason: 'text_too_long' },
  { name: 'deep arrays', body: text(`${'['.repeat(200_000)}${']'.repeat(200_000)}`), reason: 'not_an_object' },
  {
    name: 'deep objects',
    body: text(`{"a":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`),
    reason: 'unknown_format',
  },
  {
    name: 'deep records that cannot be written',
    body: text(`{"category":"x","1":${'{"1":['.repeat(100_000)}${']}'.repeat(100_000)}}`),
    reason: 'unknown_category',
  },
  {
    name: 'deep properties',
    body: text(
      usageText({}).replace('"promptTokens":1', `"promptTokens":${'['.repeat(200_000)}${']'.repeat(200_000)}`),
    ),
    reason: 'wrong_type',
  },
  {
    name: '20,000 records',
    body: text(`{"records":[${Array.from({ length: 20_000 }, () => '{}').join(',')}]}`),
    reason: 'too_many_records',
  },
  { name: 'a megabyte of text', body: text('x'.repeat(1_000_000)), reason: 'not_json' },
  { name: 'a megabyte in a field', body: usage({ modelName: 'x'.repeat(1_000_000) }), reason: 'text_too_long' },
];

function text(body: string): Uint8Array {
  return Buffer.from(body);
}

function record(fields: Readonly<Record<string, unknown>>): Uint8Array {
  return text(JSON.stringify({ records: [fields] }));
}

/** A usage record that would be understood, with other properties or fields. */
function usageText(
  properties: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({
    records: [
      {
        category: 'GatewayLlmLogs',
        correlationId: 'poison',
        resourceId: '/SUBSCRIPTIONS/X/PROVIDERS/MICROSOFT.APIMANAGEMENT/SERVICE/APIM-POISON',
        time: '2026-01-01T00:00:00Z',
        properties: { promptTokens: 1, completionTokens: 1, modelName: 'gpt-4o', ...properties },
        ...fields,
      },
    ],
  });
}

function usage(
  properties: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>> = {},
): Uint8Array {
  return text(usageText(properties, fields));
}
