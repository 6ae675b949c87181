import { readdirSync, readFileSync } from 'node:fs';
import type { Message } from '../../ingest/message.ts';

/** What a record must become; fields, columns of `events`, that are left out are unset. */
export type Expected = {
  readonly kind: string;
  readonly source: string;
  readonly reason?: string;
  readonly detail?: string;
  readonly call_id?: string;
  readonly chunk?: number;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly unknown_fields?: readonly string[];
};

/** One file of test/fixtures: messages, a text as its bytes and anything else as its JSON, and what they must become. */
export type Fixture = {
  readonly path: string;
  readonly note: string;
  readonly _meta: { readonly source: string };
  readonly source: string;
  readonly messages: readonly unknown[];
  readonly expected: readonly Expected[];
};

const folder = new URL('../fixtures/', import.meta.url);

export function fixtures(): Fixture[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((path) => Object.assign(JSON.parse(readFileSync(new URL(path, folder), 'utf8')) as Fixture, { path }));
}

/** A body as the message at a place of the stream `fixtures/hub/0`. */
export function messageAt(sequence_number: number, body: unknown): Message {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const enqueued_at_ms = Date.UTC(2026, 7, 20, 9, 20);
  return { stream: 'fixtures/hub/0', sequence_number, enqueued_at_ms, body: Buffer.from(text) };
}
