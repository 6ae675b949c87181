import { expect, test } from 'vitest';
import { noUsage, type Usage } from '../../ingest/event.ts';
import { Reader, type JsonObject } from '../../ingest/reader.ts';
import { recogniseResponse } from '../../ingest/usage/response.ts';
import { recogniseUsage } from '../../ingest/usage/recognise.ts';
import { responses } from './usage-responses.ts';
import { ownRows } from './usage-rows-own.ts';
import { openaiRows, type Kinds, type Row } from './usage-rows.ts';

/*
 * What is inside what, per provider, as one table each: the usage object, the disjoint kinds that it becomes, how they
 * are known, and the total that the provider states. Where a total is stated and the usage is exact, the kinds add up
 * to it; a row that does not says so in `sum`.
 */

const names: readonly (keyof Usage)[] = [
  'usage_input_tokens',
  'usage_cache_read_input_tokens',
  'usage_cache_creation_5m_input_tokens',
  'usage_cache_creation_1h_input_tokens',
  'usage_audio_input_tokens',
  'usage_output_tokens',
  'usage_reasoning_output_tokens',
  'usage_audio_output_tokens',
];

function kindsOf(usage: Usage): Kinds {
  const words = names.map((name) => String(usage[name] ?? '-'));
  return `${words.slice(0, 5).join(' ')} | ${words.slice(5).join(' ')}`;
}

function sumOf(usage: Usage): number {
  return names.reduce((sum, name) => sum + Number(usage[name] ?? 0), 0);
}

function expectRow([what, object, kinds, total, quality, tier = '']: Row, provider: string): void {
  const reader = new Reader(object);
  const usage = recogniseUsage(reader, provider);
  const read = { kinds: kindsOf(usage), total: usage.usage_total_tokens, quality: usage.usage_quality };
  expect({ ...read, tier: usage.service_tier, problem: reader.problem }, what).toEqual({
    kinds,
    total,
    quality,
    tier,
    problem: null,
  });
  if (total !== null && quality === 'exact') expect(sumOf(usage), `${what}: the kinds add up to the total`).toBe(total);
}

test.each(Object.entries({ ...openaiRows, ...ownRows }))(
  '%s: every usage object becomes disjoint kinds that add up to its total',
  (provider, rows) => {
    // The shape alone tells, and the name of the provider does not mislead.
    for (const row of rows) for (const hint of ['', provider]) expectRow(row, hint);
  },
);

test.each(responses)('a response: %s', (_what, logged, kinds, quality, facts) => {
  const record = new Reader({});
  const { usage, response_model, response_id } = recogniseResponse(logged, record);
  expect(kindsOf(usage)).toBe(kinds);
  expect(usage.usage_quality).toBe(quality);
  expect(`${response_model} ${response_id} ${usage.service_tier}`).toBe(facts);
  expect(record.problem).toBeNull();
});

const contradictions: readonly (readonly [what: string, usage: JsonObject])[] = [
  ['more cached than prompted', { prompt_tokens: 5, prompt_tokens_details: { cached_tokens: 6 } }],
  [
    'more cached audio than audio',
    {
      input_tokens: 5,
      input_token_details: { audio_tokens: 1, cached_tokens_details: { audio_tokens: 2 } },
    },
  ],
  [
    'more thinking than output',
    { input_tokens: 1, output_tokens: 1, output_tokens_details: { thinking_tokens: 2 }, cache_creation: null },
  ],
  ['more cache than prompt', { promptTokenCount: 5, cachedContentTokenCount: 6 }],
  [
    'more audio than candidates',
    { candidatesTokenCount: 1, candidatesTokensDetails: [{ modality: 'AUDIO', tokenCount: 2 }] },
  ],
  ['modalities that are no list', { promptTokenCount: 1, promptTokensDetails: {} }],
  ['a count that is none', { inputTokens: 'many', outputTokens: 1 }],
  [
    'more hourly writes than writes',
    { inputTokens: 1, cacheWriteInputTokens: 1, cacheDetails: [{ ttl: '1h', inputTokens: 2 }] },
  ],
  ['a negative count', { billed_units: { input_tokens: -1 } }],
];

test.each(contradictions)("a contradiction is the record's problem and never a count: %s", (_what, usage) => {
  const reader = new Reader(usage);
  recogniseUsage(reader);
  expect(reader.problem).not.toBeNull();
});

test('without a usage object there is none', () => {
  expect(recogniseUsage(new Reader({}))).toEqual({ ...noUsage, usage_quality: 'missing', service_tier: '' });
});
