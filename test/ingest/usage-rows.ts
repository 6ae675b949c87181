import type { Usage } from '../../ingest/event.ts';
import type { JsonObject } from '../../ingest/reader.ts';

/** in, cached, written 5 min, written 1 h, audio in | out, reasoning, audio out; '-' is unknown. */
export type Kinds = string;

/** A usage object, the disjoint kinds that it becomes, the total that it states, how they are known, and the tier. */
export type Row = readonly [
  what: string,
  usage: JsonObject,
  kinds: Kinds,
  total: number | null,
  quality: Usage['usage_quality'],
  tier?: string,
];

export const nothing: Kinds = '- - - - - | - - -';

/** Providers whose usage objects have OpenAI's shape. */
export const openaiRows: Readonly<Record<string, readonly Row[]>> = {
  openai: [
    [
      'chat: cached, written and audio are inside the prompt, reasoning and audio inside the completion',
      {
        prompt_tokens: 1000,
        completion_tokens: 400,
        total_tokens: 1400,
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
        prompt_tokens: 10,
        completion_tokens: 90,
        total_tokens: 100,
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
        input_tokens: 328,
        output_tokens: 52,
        total_tokens: 380,
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
        input_tokens: 200,
        output_tokens: 30,
        total_tokens: 230,
        input_token_details: {
          text_tokens: 80,
          audio_tokens: 120,
          cached_tokens: 64,
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
  ],

  deepseek: [
    [
      'cache hits are inside the prompt, under a name of their own',
      {
        prompt_tokens: 100,
        completion_tokens: 20,
        total_tokens: 120,
        prompt_cache_hit_tokens: 64,
        prompt_cache_miss_tokens: 36,
      },
      '36 64 - - - | 20 - -',
      120,
      'exact',
    ],
  ],

  x_ai: [
    [
      'reasoning beside the completion: the total has it on top',
      {
        prompt_tokens: 32,
        completion_tokens: 9,
        total_tokens: 384,
        completion_tokens_details: { reasoning_tokens: 343 },
      },
      '32 - - - - | 9 343 -',
      384,
      'exact',
    ],
  ],

  mistral_ai: [
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
  ],

  databricks: [
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
        prompt_tokens: 100,
        completion_tokens: 20,
        total_tokens: 190,
        cache_read_input_tokens: 60,
        cache_creation_input_tokens: 10,
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
        prompt_tokens: 100,
        completion_tokens: 20,
        total_tokens: 120,
        cache_read_input_tokens: 60,
        prompt_tokens_details: { cached_tokens: 60 },
      },
      '40 60 - - - | 20 - -',
      120,
      'exact',
    ],
  ],
};
