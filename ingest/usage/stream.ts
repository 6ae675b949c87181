import { isObject, parseJson, Reader, type Json, type JsonObject } from '../reader.ts';

/**
 * The events of a stream as one response, so that one recogniser reads both. Of every name the last value counts that
 * is not null: OpenAI's last chunk alone has a usage (its `choices` are empty, and all other chunks say null), Gemini's
 * chunks each have one and the last is the whole, and Anthropic's counts are cumulative, so they are set and never
 * added; its `message_start` has the input and the caches, its `message_delta` the output. The output that
 * `message_start` has is the first token or two: of a stream that ended before a `message_delta` the output is unknown.
 * Sources: openai-node ChatCompletionStreamOptions and ResponseCompletedEvent; anthropic-sdk-typescript
 * MessageDeltaUsage; js-genai GenerateContentResponse; Amazon Bedrock ConverseStreamMetadataEvent; Cohere Chat with
 * Streaming (`message-end`, `stream-end`). Message text is not read.
 */
function mergedEvents(events: readonly Json[]): JsonObject {
  const merged: JsonObject = {};
  const usage: JsonObject = {};
  let isBegun = false;
  let isEnded = false;
  for (const event of events) {
    if (!isObject(event)) continue;
    const record = new Reader(event);
    isBegun ||= record.peek('type') === 'message_start';
    isEnded ||= record.peek('type') === 'message_delta' && isObject(record.peek('usage'));
    for (const part of [record, ...inner(record)]) {
      for (const name of facts) {
        const value = part.peek(name);
        if (value !== undefined && value !== null && typeof value !== 'object') merged[name] = value;
      }
      for (const name of usageNames) {
        const value = part.peek(name);
        if (isObject(value)) setKnown(usage, value);
      }
    }
  }
  if (Object.keys(usage).length === 0) return merged;
  // The names of Anthropic stay, so that a usage without an output is not taken for one of embeddings.
  return { ...merged, usage: isBegun && !isEnded ? { server_tool_use: null, ...usage, output_tokens: null } : usage };
}

/** Where the providers put the usage of a response, or of an event of its stream. */
export const usageNames = ['usage', 'usageMetadata', 'meta', 'amazon-bedrock-invocationMetrics'] as const;

/** What a response says of itself, without its text. */
const facts = ['id', 'responseId', 'model', 'modelVersion', 'service_tier'];

/** Where the events of the several providers carry the response that they are about. */
function inner(record: Reader): Reader[] {
  return ['message', 'response', 'metadata', 'delta']
    .map((name) => record.peek(name))
    .filter(isObject)
    .map((part) => new Reader(part));
}

/** Sets what is known and keeps the rest: a later event says null for what it does not repeat. */
function setKnown(usage: JsonObject, later: JsonObject): void {
  for (const [name, value] of Object.entries(later)) if (value !== null && name !== '__proto__') usage[name] = value;
}

/**
 * What was logged as a response: a JSON object, its text, a list of stream events, or the text of server-sent events
 * (`data: {…}` lines, ended by `[DONE]`; Google ends its lines with CR and LF) or of one event per line (Cohere v1).
 * Null where it is none of these, for instance cut off.
 */
export function responseBody(logged: Json | undefined): JsonObject | null {
  if (Array.isArray(logged)) return mergedEvents(logged);
  if (isObject(logged)) return logged;
  if (typeof logged !== 'string' || logged.trim() === '') return null;
  const parsed = parseJson(logged);
  if (parsed !== undefined) return typeof parsed === 'string' ? null : responseBody(parsed);
  const events = logged.split('\n').flatMap((line): Json[] => {
    // Not `.`, which stops at a carriage return and at line separators that a JSON text may have.
    const data = /^\s*(?:data:\s*)?(\{[^]*)$/.exec(line)?.[1];
    const event = data === undefined ? undefined : parseJson(data);
    return event === undefined ? [] : [event];
  });
  return events.length === 0 ? null : mergedEvents(events);
}
