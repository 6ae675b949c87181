import { expect, test } from 'vitest';
import { noUsage, type Usage } from '../../ingest/event.ts';
import { Reader, type Json, type JsonObject } from '../../ingest/reader.ts';
import { recogniseResponse } from '../../ingest/usage/response.ts';
import { recogniseUsage } from '../../ingest/usage/recognise.ts';

/*
 * What is inside what, per provider, as one table each: the usage object, the disjoint kinds that it becomes, how they
 * are known, and the total that the provider states. Where a total is stated and the usage is exact, the kinds add up
 * to it; a row that does not says so in `sum`.
 */

/** in, cached, written 5 min, written 1 h, audio in | out, reasoning, audio out; '-' is unknown. */
type Kinds = string;
type Row = readonly [
  what: string,
  usage: JsonObject,
  kinds: Kinds,
  total: number | null,
  quality: Usage['usage_quality'],
  tier?: string,
];

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
    ...{ kinds, total, quality },
    ...{ tier, problem: null },
  });
  if (total !== null && quality === 'exact') expect(sumOf(usage), `${what}: the kinds add up to the total`).toBe(total);
}

function conforms(provider: string, rows: readonly Row[]): void {
  test(`${provider}: every usage object becomes disjoint kinds that add up to its total`, () => {
    // The shape alone tells, and the name of the provider does not mislead.
    for (const row of rows) for (const hint of ['', provider]) expectRow(row, hint);
  });
}

const nothing = '- - - - - | - - -';

conforms('openai', [
  [
    'chat: cached, written and audio are inside the prompt, reasoning and audio inside the completion',
    {
      ...{ prompt_tokens: 1000, completion_tokens: 400, total_tokens: 1400 },
      prompt_tokens_details: { cached_tokens: 600, cache_write_tokens: 100, audio_tokens: 50, text_tokens: 950 },
      completion_tokens_details: { reasoning_tokens: 300, audio_tokens: 20 },
    },
    '250 600 100 - 50 | 80 300 20',
    1400,
    'exact',
  ],
  [
    'predictions, accepted or not, are priced as the completion that they are inside of',
    {
      ...{ prompt_tokens: 10, completion_tokens: 90, total_tokens: 100 },
      completion_tokens_details: { accepted_prediction_tokens: 40, rejected_prediction_tokens: 30 },
    },
    '10 - - - - | 90 - -',
    100,
    'exact',
  ],
  [
    'images are inside the prompt and priced with it',
    { prompt_tokens: 900, completion_tokens: 5, total_tokens: 905, prompt_tokens_details: { image_tokens: 765 } },
    '900 - - - - | 5 - -',
    905,
    'exact',
  ],
  ['embeddings have no output', { prompt_tokens: 8, total_tokens: 8 }, '8 - - - - | - - -', 8, 'exact'],
  [
    'responses: the names of Anthropic, the meaning of OpenAI',
    {
      ...{ input_tokens: 328, output_tokens: 52, total_tokens: 380 },
      input_tokens_details: { cached_tokens: 128, cache_write_tokens: 0 },
      output_tokens_details: { reasoning_tokens: 32 },
    },
    '200 128 0 - - | 20 32 -',
    380,
    'exact',
  ],
  [
    'realtime: cached audio is a part of the cached and of the audio tokens, and counts as cached',
    {
      ...{ input_tokens: 200, output_tokens: 30, total_tokens: 230 },
      input_token_details: {
        ...{ text_tokens: 80, audio_tokens: 120, cached_tokens: 64 },
        cached_tokens_details: { text_tokens: 24, audio_tokens: 40 },
      },
      output_token_details: { text_tokens: 10, audio_tokens: 20 },
    },
    '56 64 - - 80 | 10 - 20',
    230,
    'exact',
  ],
  [
    'numbers as texts, and fields that say nothing',
    { prompt_tokens: '61', completion_tokens: '420', total_tokens: '481', prompt_tokens_details: null },
    '61 - - - - | 420 - -',
    481,
    'exact',
  ],
  ['a cut stream: an output without its input', { completion_tokens: 7 }, '- - - - - | 7 - -', null, 'partial'],
  ['a transcription by the minute has no tokens', { type: 'duration', seconds: 9 }, nothing, null, 'missing'],
  ['nothing at all', {}, nothing, null, 'missing'],
]);

conforms('deepseek', [
  [
    'cache hits are inside the prompt, under a name of their own',
    {
      ...{ prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 },
      ...{ prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36 },
    },
    '36 64 - - - | 20 - -',
    120,
    'exact',
  ],
]);

conforms('x_ai', [
  [
    'reasoning beside the completion: the total has it on top',
    {
      ...{ prompt_tokens: 32, completion_tokens: 9, total_tokens: 384 },
      completion_tokens_details: { reasoning_tokens: 343 },
    },
    '32 - - - - | 9 343 -',
    384,
    'exact',
  ],
]);

conforms('anthropic', [
  [
    'the input excludes both caches',
    {
      ...{ input_tokens: 2, cache_creation_input_tokens: 42_334, cache_read_input_tokens: 7, output_tokens: 121 },
      cache_creation: { ephemeral_5m_input_tokens: 42_000, ephemeral_1h_input_tokens: 334 },
      ...{ output_tokens_details: null, server_tool_use: null, service_tier: 'standard', inference_geo: null },
    },
    '2 7 42000 334 - | 121 - -',
    null,
    'exact',
    'standard',
  ],
  [
    'thinking is inside the output; searches are no tokens',
    {
      ...{ input_tokens: 10, output_tokens: 500, cache_read_input_tokens: null, service_tier: 'priority' },
      ...{ output_tokens_details: { thinking_tokens: 380 }, server_tool_use: { web_search_requests: 3 } },
    },
    '10 - - - - | 120 380 -',
    null,
    'exact',
    'priority',
  ],
  [
    'writes without a split live 5 minutes',
    { input_tokens: 5, cache_creation_input_tokens: 9, output_tokens: 1, service_tier: 'batch' },
    '5 - 9 - - | 1 - -',
    null,
    'exact',
    'batch',
  ],
  [
    'a split that is not the whole leaves the price of the rest open',
    {
      ...{ input_tokens: 5, cache_creation_input_tokens: 9, output_tokens: 1 },
      cache_creation: { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 2 },
    },
    '5 - 1 2 - | 1 - -',
    null,
    'partial',
  ],
  [
    "a proxy's total that leaves the caches out says nothing of where they are",
    { input_tokens: 100, cache_read_input_tokens: 60, output_tokens: 20, total_tokens: 120 },
    '100 60 - - - | 20 - -',
    120,
    'partial',
  ],
  [
    'the end of a stream alone has no input',
    { output_tokens: 15, server_tool_use: null },
    '- - - - - | 15 - -',
    null,
    'partial',
  ],
]);

conforms('gcp.gemini', [
  [
    'the cache is inside the prompt, thoughts are outside the candidates',
    {
      ...{ promptTokenCount: 1200, cachedContentTokenCount: 1024, candidatesTokenCount: 210, thoughtsTokenCount: 640 },
      ...{ totalTokenCount: 2050, trafficType: 'ON_DEMAND' },
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: 1200 }],
      candidatesTokensDetails: [{ modality: 'TEXT', tokenCount: 210 }],
    },
    '176 1024 - - - | 210 640 -',
    2050,
    'exact',
    'standard',
  ],
  [
    'what tools put into the prompt is outside the prompt count',
    {
      ...{ promptTokenCount: 100, toolUsePromptTokenCount: 40, candidatesTokenCount: 10, totalTokenCount: 150 },
      trafficType: 'PROVISIONED_THROUGHPUT',
    },
    '140 - - - - | 10 - -',
    150,
    'exact',
    'provisioned',
  ],
  [
    'audio is told by its modality on both sides, and the cached audio counts as cached',
    {
      ...{ promptTokenCount: 500, cachedContentTokenCount: 200, candidatesTokenCount: 60, totalTokenCount: 560 },
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 150 },
        { modality: 'AUDIO', tokenCount: 300 },
        { modality: 'IMAGE', tokenCount: 50 },
      ],
      cacheTokensDetails: [
        { modality: 'AUDIO', tokenCount: 120 },
        { modality: 'TEXT', tokenCount: 80 },
      ],
      candidatesTokensDetails: [{ modality: 'AUDIO', tokenCount: 25 }],
      trafficType: 'ON_DEMAND_FLEX',
    },
    '120 200 - - 180 | 35 - 25',
    560,
    'exact',
    'flex',
  ],
  [
    'audio beside a cache whose modalities are not listed is undecided',
    {
      ...{ promptTokenCount: 500, cachedContentTokenCount: 200, candidatesTokenCount: 60, totalTokenCount: 560 },
      ...{ promptTokensDetails: [{ modality: 'AUDIO', tokenCount: 300 }], trafficType: 'ON_DEMAND_PRIORITY' },
    },
    '0 200 - - 300 | 60 - -',
    560,
    'partial',
    'priority',
  ],
  [
    'live sessions say response instead of candidates',
    { promptTokenCount: 5, responseTokenCount: 7, totalTokenCount: 12 },
    '5 - - - - | 7 - -',
    12,
    'exact',
  ],
  [
    'an answer that was blocked has no candidates',
    { promptTokenCount: 5, totalTokenCount: 5 },
    '5 - - - - | - - -',
    5,
    'exact',
  ],
  ['nothing but a traffic type', { trafficType: 'ON_DEMAND', promptTokenCount: null }, nothing, null, 'missing'],
]);

conforms('aws.bedrock', [
  [
    'Converse: the input excludes both caches, the total includes them',
    {
      ...{ inputTokens: 30, outputTokens: 12, totalTokens: 5042 },
      ...{ cacheReadInputTokens: 4000, cacheWriteInputTokens: 1000 },
      cacheDetails: [
        { ttl: '1h', inputTokens: 400 },
        { ttl: '5m', inputTokens: 600 },
      ],
    },
    '30 4000 600 400 - | 12 - -',
    5042,
    'exact',
  ],
  [
    'Converse without a cache',
    { inputTokens: 30, outputTokens: 12, totalTokens: 42, cacheReadInputTokens: 0, cacheWriteInputTokens: 0 },
    '30 0 0 - - | 12 - -',
    42,
    'exact',
  ],
  [
    'a total without the caches: inside the input or left out, nobody knows',
    { inputTokens: 30, outputTokens: 12, totalTokens: 42, cacheReadInputTokens: 20 },
    '30 20 - - - | 12 - -',
    42,
    'partial',
  ],
  [
    'InvokeModel, the metrics at the end of its stream',
    { inputTokenCount: 30, outputTokenCount: 12, invocationLatency: 900, firstByteLatency: 300 },
    '30 - - - - | 12 - -',
    null,
    'exact',
  ],
  [
    'InvokeModel with a cache: no public text says what the input includes',
    { inputTokenCount: 30, outputTokenCount: 12, cacheReadInputTokenCount: 4 },
    '30 4 - - - | 12 - -',
    null,
    'partial',
  ],
  ['InvokeModel of Llama', { prompt_token_count: 9, generation_token_count: 4 }, '9 - - - - | 4 - -', null, 'exact'],
]);

conforms('cohere', [
  [
    'v2: the billed units are the bill; the processed tokens include templates that are not billed',
    { billed_units: { input_tokens: 17, output_tokens: 12 }, tokens: { input_tokens: 224, output_tokens: 12 } },
    '17 - - - - | 12 - -',
    null,
    'exact',
  ],
  [
    'v1: the same inside meta',
    { api_version: { version: '1' }, billed_units: { input_tokens: 17, output_tokens: 12, search_units: 1 } },
    '17 - - - - | 12 - -',
    null,
    'exact',
  ],
  ['embeddings bill an input', { billed_units: { input_tokens: 3 } }, '3 - - - - | - - -', null, 'exact'],
  ['a rerank bills searches, which are no tokens', { billed_units: { search_units: 1 } }, nothing, null, 'missing'],
  [
    'processed tokens alone bound the bill from above',
    { tokens: { input_tokens: 224, output_tokens: 12 } },
    '224 - - - - | 12 - -',
    null,
    'estimated',
  ],
  [
    'cached tokens: whether they are billed units is said nowhere',
    { billed_units: { input_tokens: 17, output_tokens: 12 }, cached_tokens: 8 },
    '17 - - - - | 12 - -',
    null,
    'partial',
  ],
]);

conforms('mistral_ai', [
  [
    "chat: OpenAI's object",
    { prompt_tokens: 12, completion_tokens: 30, total_tokens: 42 },
    '12 - - - - | 30 - -',
    42,
    'exact',
  ],
  [
    'seconds of audio are billed and are no tokens',
    { prompt_tokens: 12, completion_tokens: 30, total_tokens: 42, prompt_audio_seconds: 9 },
    '12 - - - - | 30 - -',
    42,
    'partial',
  ],
  [
    'a count of cached tokens that is said to be neither inside nor outside',
    { prompt_tokens: 12, completion_tokens: 30, total_tokens: 42, num_cached_tokens: 8 },
    '12 - - - - | 30 - -',
    42,
    'partial',
  ],
]);

conforms('databricks', [
  [
    "a foundation model: OpenAI's object",
    { prompt_tokens: 48, completion_tokens: 865, total_tokens: 913 },
    '48 - - - - | 865 - -',
    913,
    'exact',
  ],
  [
    'caches on top of the total are outside the prompt',
    {
      ...{ prompt_tokens: 100, completion_tokens: 20, total_tokens: 190 },
      ...{ cache_read_input_tokens: 60, cache_creation_input_tokens: 10 },
    },
    '100 60 10 - - | 20 - -',
    190,
    'exact',
  ],
  [
    'caches that the total does not mention are anywhere',
    { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120, cache_read_input_tokens: 60 },
    '100 - - - - | 20 - -',
    120,
    'partial',
  ],
  [
    "the same number as OpenAI's cached tokens is inside",
    {
      ...{ prompt_tokens: 100, completion_tokens: 20, total_tokens: 120, cache_read_input_tokens: 60 },
      prompt_tokens_details: { cached_tokens: 60 },
    },
    '40 60 - - - | 20 - -',
    120,
    'exact',
  ],
]);

/** A logged response, its kinds, and what else it says. */
const responses: readonly (readonly [what: string, logged: Json, kinds: Kinds, quality: string, facts: string])[] = [
  [
    "OpenAI's last chunk: no choices, the usage of the whole; every other chunk says null",
    [
      { id: 'chatcmpl-1', model: 'gpt-4o-2024-11-20', choices: [{ delta: { content: 'SECRET' } }], usage: null },
      { id: 'chatcmpl-1', model: 'gpt-4o-2024-11-20', choices: [], usage: { prompt_tokens: 6, completion_tokens: 4 } },
    ],
    '6 - - - - | 4 - -',
    'exact',
    'gpt-4o-2024-11-20 chatcmpl-1 ',
  ],
  [
    'a last chunk alone',
    { id: 'chatcmpl-1', model: 'gpt-4o', choices: [], usage: { prompt_tokens: 6, completion_tokens: 4 } },
    '6 - - - - | 4 - -',
    'exact',
    'gpt-4o chatcmpl-1 ',
  ],
  [
    "OpenAI's responses: the event that completes the stream",
    [
      { type: 'response.created', response: { id: 'resp_1', model: 'gpt-5.1', usage: null, service_tier: 'auto' } },
      { type: 'response.output_text.delta', delta: 'SECRET' },
      {
        type: 'response.completed',
        response: {
          ...{ id: 'resp_1', model: 'gpt-5.1', service_tier: 'default' },
          usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
        },
      },
    ],
    '10 - - - - | 5 - -',
    'exact',
    'gpt-5.1 resp_1 standard',
  ],
  [
    'Anthropic: counts are cumulative, so they are set; what is null or not repeated stays',
    [
      {
        type: 'message_start',
        message: {
          ...{ id: 'msg_1', model: 'claude-opus-5' },
          usage: {
            ...{ input_tokens: 25, output_tokens: 1, service_tier: 'priority' },
            ...{ cache_read_input_tokens: 100, cache_creation_input_tokens: 8 },
          },
        },
      },
      { type: 'content_block_delta', delta: { type: 'text_delta', text: 'SECRET' } },
      { type: 'message_delta', delta: { stop_reason: null }, usage: { output_tokens: 10 } },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn' },
        usage: { output_tokens: 15, input_tokens: null, server_tool_use: { web_search_requests: 1 } },
      },
    ],
    '25 100 8 - - | 15 - -',
    'exact',
    'claude-opus-5 msg_1 priority',
  ],
  [
    'Gemini: every chunk has the counts so far, the last one counts',
    [
      { responseId: 'r1', modelVersion: 'gemini-2.5-pro', usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 } },
      { usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 3, totalTokenCount: 12 } },
      {
        responseId: 'r1',
        modelVersion: 'gemini-2.5-pro',
        usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 7, totalTokenCount: 16, trafficType: 'ON_DEMAND' },
      },
    ],
    '9 - - - - | 7 - -',
    'exact',
    'gemini-2.5-pro r1 standard',
  ],
  [
    'Bedrock ConverseStream: the metadata at the end',
    [
      { messageStart: { role: 'assistant' } },
      { metadata: { usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7 } } },
    ],
    '3 - - - - | 4 - -',
    'exact',
    '  ',
  ],
  [
    'Bedrock InvokeModel with a stream: the metrics of the last chunk',
    [{ completion: 'SECRET' }, { 'amazon-bedrock-invocationMetrics': { inputTokenCount: 3, outputTokenCount: 4 } }],
    '3 - - - - | 4 - -',
    'exact',
    '  ',
  ],
  [
    'Cohere v1: billed units inside meta',
    { generation_id: 'g', text: 'SECRET', meta: { billed_units: { input_tokens: 3, output_tokens: 4 } } },
    '3 - - - - | 4 - -',
    'exact',
    '  ',
  ],
  [
    'Cohere v2 stream: the end of the message',
    [{ type: 'message-end', delta: { usage: { billed_units: { input_tokens: 3, output_tokens: 4 } } } }],
    '3 - - - - | 4 - -',
    'exact',
    '  ',
  ],
  [
    'server-sent events as one text',
    'event: x\ndata: {"id":"c1","model":"m","choices":[],"usage":{"prompt_tokens":6,"completion_tokens":4}}\n\ndata: [DONE]\n\n',
    '6 - - - - | 4 - -',
    'exact',
    'm c1 ',
  ],
  ['a body as a text', '{"model":"m","usage":{"prompt_tokens":6}}', '6 - - - - | - - -', 'exact', 'm  '],
  ['a body that was cut', '{"model":"m","usage":{"prompt_tok', nothing, 'missing', '  '],
  ['an error', { error: { message: 'SECRET', code: '429' } }, nothing, 'missing', '  '],
  ['no body', '', nothing, 'missing', '  '],
];

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
