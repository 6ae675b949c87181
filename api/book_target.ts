import { z } from 'zod';
import type { BookQuestion } from '#clickhouse/books.ts';
import type { Database } from '#clickhouse/client.ts';
import type { View } from '#clickhouse/view.ts';
import { ConfigurationError, messageOf } from '#common/error.ts';
import { type Appended, append, writer } from './append.ts';
import type { Book } from './book.ts';
import { everything } from './window.ts';

type Row = Readonly<Record<string, unknown>>;
type Sent = {
  readonly reason: string;
  readonly forced_because?: string;
  readonly dry_run: boolean;
  readonly entries: unknown[];
};

/** Where the command finds the books: in a database, or behind a running API. */
export type Target = {
  readonly read: (book: Book, history: boolean) => Promise<readonly Row[]>;
  readonly append: (book: Book, sent: Sent) => Promise<Appended>;
};

/** The database itself; the author is who runs the command. */
export function databaseTarget(db: Database, author: string): Target {
  const written = writer(db);
  return {
    read: async (book, history) => {
      const view: View<BookQuestion> = book.view;
      return db.read(view, { as_known_at: everything, history: history ? 1 : 0 });
    },
    append: async (book, sent) => append(db, written, book, sent, author),
  };
}

const listing = z.object({ data: z.array(z.record(z.string(), z.unknown())) });
const appended = z.object({ data: z.object({ appended: z.number() }) });
const refused = z.object({
  detail: z.string(),
  errors: z.array(z.object({ parameter: z.string(), detail: z.string() })).default([]),
});

/** A running API; the author is the name of the key. */
export function apiTarget(url: string, key: string): Target {
  const ask = async (path: string, init: RequestInit = {}): Promise<{ status: number; body: unknown }> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const answer = await reached(fetch(new URL(path, url), { ...init, headers }));
    return { status: answer.status, body: await answer.json().catch(() => null) };
  };
  return {
    read: async (book, history) => {
      const { status, body } = await ask(`/v1/${book.name}?history=${history}`);
      if (status !== 200) throw refusal(status, body);
      return listing.parse(body).data;
    },
    append: async (book, sent) => {
      const { status, body } = await ask(`/v1/${book.name}`, { method: 'POST', body: JSON.stringify(sent) });
      if (status === 201) return { kind: 'appended', rows: appended.parse(body).data.appended };
      if (status !== 400) throw refusal(status, body);
      const { detail, errors } = refused.parse(body);
      return { kind: 'faulty', faults: errors.length > 0 ? errors : [{ parameter: 'request', detail }] };
    },
  };
}

/** An answer, whatever it says; throws what kept it from coming, such as an address at which nobody listens. */
export async function reached(asked: Promise<Response>): Promise<Response> {
  return asked.catch((error: unknown) => {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new ConfigurationError(`the API cannot be reached, or the connection broke: ${messageOf(cause)}`);
  });
}

/** Why an API did not do what it was asked; something else may listen there, which has no detail. */
export function refusal(status: number, body: unknown): ConfigurationError {
  const read = refused.safeParse(body);
  return new ConfigurationError(
    `the API refuses with ${status}: ${read.success ? read.data.detail : 'without a reason; is it Gatemeter?'}`,
  );
}
