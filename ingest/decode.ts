import type { Event } from './event.ts';
import type { Message, Origin } from './message.ts';
import { isObject, parseJson, Reader, type Json } from './reader.ts';
import { decodeApimGateway } from './sources/apim_gateway.ts';
import { decodeApimLlm } from './sources/apim_llm.ts';
import { apimPolicySchema, decodeApimPolicy } from './sources/apim_policy.ts';
import { decodeApimPolicyMinimal, minimalPolicyNames } from './sources/apim_policy_minimal.ts';

/** A record and the text it was read from, as far as it must be kept: only rejected records keep theirs. */
export type Decoded = { readonly event: Event; readonly rejectedText: string | Uint8Array };

/** A message with more records than this is refused whole: a batch must stay one block of the database. */
export const recordsPerMessageMax = 10_000;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Azure Monitor categories and the decoders that know them, lower case. */
const categories: ReadonlyMap<string, (record: Reader) => Event> = new Map([
  ['gatewaylogs', decodeApimGateway],
  ['gatewayllmlogs', decodeApimLlm],
]);

/**
 * The records of a message, each decoded, dropped or rejected; at least one. Azure sends `{"records": […]}`, policies
 * a bare object, some bridges a bare array. Never throws: whatever the bytes are, they have a row.
 */
export function decodeMessage(message: Message): Decoded[] {
  if (message.body.length === 0) return [rejectedMessage(message, 'empty', 'the message has no bytes')];
  let text: string;
  try {
    text = utf8.decode(message.body);
  } catch {
    return [rejectedMessage(message, 'not_utf8', 'the bytes are not UTF-8')];
  }
  const parsed = parseJson(text);
  if (parsed === undefined) return [rejectedMessage(message, 'not_json', 'the text is not JSON')];
  const records = recordsOf(parsed);
  if (records.length === 0) {
    return [{ event: { kind: 'dropped', source: '', reason: 'no_records', call_id: '' }, rejectedText: '' }];
  }
  if (records.length > recordsPerMessageMax) {
    return [
      rejectedMessage(message, 'too_many_records', `${records.length} records, more than ${recordsPerMessageMax}`),
    ];
  }
  return records.map((record, record_index) => {
    const event = decodeSafely(record, {
      stream: message.stream,
      sequence_number: message.sequence_number,
      record_index,
    });
    return { event, rejectedText: event.kind === 'rejected' ? textOf(record, message) : '' };
  });
}

/** A decoder that fails is a bug of ours, yet one record must not hold up all that follow it: it is kept and counted. */
function decodeSafely(record: Json, origin: Origin): Event {
  try {
    return decodeRecord(record, origin);
  } catch (error) {
    return { kind: 'rejected', source: '', reason: 'decoder_failed', detail: String(error).slice(0, 200) };
  }
}

/** What can be parsed cannot always be written: some nestings are too deep. Then the whole message is kept instead. */
function textOf(record: Json, message: Message): string | Uint8Array {
  try {
    return JSON.stringify(record);
  } catch {
    return message.body;
  }
}

function rejectedMessage(message: Message, reason: (Event & { kind: 'rejected' })['reason'], detail: string): Decoded {
  return { event: { kind: 'rejected', source: '', reason, detail }, rejectedText: message.body };
}

function recordsOf(parsed: Json): Json[] {
  if (Array.isArray(parsed)) return parsed;
  if (isObject(parsed)) {
    const records = new Reader(parsed).value('records');
    if (Array.isArray(records)) return records;
  }
  return [parsed];
}

function decodeRecord(record: Json, origin: Origin): Event {
  if (!isObject(record))
    return { kind: 'rejected', source: '', reason: 'not_an_object', detail: 'a record is not an object' };
  const reader = new Reader(record);
  if (reader.value('schema') === apimPolicySchema) return decodeApimPolicy(reader);
  const category = reader.value('category');
  if (typeof category === 'string') {
    const decode = categories.get(category.toLowerCase());
    if (decode !== undefined) return decode(reader);
    return {
      kind: 'rejected',
      source: '',
      reason: 'unknown_category',
      detail: `category ${category.slice(0, 64)} has no decoder`,
    };
  }
  if (minimalPolicyNames.every((name) => reader.has(name))) return decodeApimPolicyMinimal(reader, origin);
  return {
    kind: 'rejected',
    source: '',
    reason: 'unknown_format',
    detail: `fields: ${Object.keys(record).slice(0, 8).join(', ').slice(0, 200)}`,
  };
}
