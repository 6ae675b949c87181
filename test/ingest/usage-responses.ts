import type { Json } from '../../ingest/reader.ts';
import { nothing, type Kinds } from './usage-rows.ts';

const anthropicStart = {
  input_tokens: 25,
  output_tokens: 1,
  cache_read_input_tokens: 100,
  cache_creation_input_tokens: 8,
};

/** A logged response, its kinds, and what else it says. */
export const responses: readonly (readonly [
  what: string,
  logged: Json,
  kinds: Kinds,
  quality: string,
  facts: string,
])[] = [
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
          id: 'resp_1',
          model: 'gpt-5.1',
          service_tier: 'default',
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
          id: 'msg_1',
          model: 'claude-opus-5',
          usage: {
            input_tokens: 25,
            output_tokens: 1,
            service_tier: 'priority',
            cache_read_input_tokens: 100,
            cache_creation_input_tokens: 8,
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
  [
    'server-sent events as Google ends their lines, with a line separator in the text',
    'data: {"candidates":[{"content":{"parts":[{"text":"SECRET"}]}}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}}\r\n\r\n' +
      'data: {"candidates":[{"content":{"parts":[{"text":"SEC\u2028RET"}]}}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":7,"totalTokenCount":16},"modelVersion":"gemini-2.5-pro","responseId":"r1"}\r\n\r\n',
    '9 - - - - | 7 - -',
    'exact',
    'gemini-2.5-pro r1 ',
  ],
  [
    'Cohere v1 stream: one event per line',
    '{"event_type":"text-generation","text":"SECRET"}\n{"event_type":"stream-end","response":{"meta":{"billed_units":{"input_tokens":3,"output_tokens":4}}}}\n',
    '3 - - - - | 4 - -',
    'exact',
    '  ',
  ],
  [
    'Anthropic, broken off: what message_start says of the output is its first token, not its count',
    [
      { type: 'message_start', message: { id: 'msg_1', model: 'claude-opus-5', usage: anthropicStart } },
      { type: 'content_block_delta', delta: { type: 'text_delta', text: 'SECRET' } },
    ],
    '25 100 8 - - | - - -',
    'partial',
    'claude-opus-5 msg_1 ',
  ],
  [
    'Anthropic, broken off, by a proxy that names no caches',
    'data: {"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":25,"output_tokens":1}}}\n\ndata: {"type":"content_bl',
    '25 - - - - | - - -',
    'partial',
    ' msg_1 ',
  ],
  ['a body as a text', '{"model":"m","usage":{"prompt_tokens":6}}', '6 - - - - | - - -', 'exact', 'm  '],
  ['a body that was cut', '{"model":"m","usage":{"prompt_tok', nothing, 'missing', '  '],
  ['an error', { error: { message: 'SECRET', code: '429' } }, nothing, 'missing', '  '],
  ['no body', '', nothing, 'missing', '  '],
];
