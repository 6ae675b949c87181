import { type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { finished } from 'node:stream';
import type { Database } from '#clickhouse/client.ts';
import { classify, type Failure } from '#clickhouse/error.ts';

/** What the routes need of a database. */
export type Reader = Pick<Database, 'read' | 'stream' | 'insert'>;

/** A failure of the database, kept apart from a bug of ours, which must not ask a client to retry. */
export class DatabaseFailure extends Error {
  override name = 'DatabaseFailure';
  readonly failure: Failure;

  constructor(failure: Failure, cause: unknown) {
    super(failure.message, { cause });
    this.failure = failure;
  }
}

/** The same database, whose errors say that they are its own, with a span for each question. */
export function reader(db: Database): Reader {
  return {
    read: async (view, args, selection) => {
      const span = begin(view.name);
      const rows = await guard(span, db.read(view, args, selection));
      span.end();
      return rows;
    },
    stream: async (view, args, format, selection) => {
      const span = begin(view.name);
      const bytes = await guard(span, db.stream(view, args, format, selection));
      finished(bytes, (error) => {
        if (error !== undefined && error !== null) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      });
      return bytes;
    },
    insert: async (table, lines, token) => {
      const span = begin(table.name, 'INSERT');
      await guard(span, db.insert(table, lines, token));
      span.end();
    },
  };
}

/** The name of view or table says what was asked; its arguments stay out, because they name tenants and users. */
function begin(name: string, operation: 'SELECT' | 'INSERT' = 'SELECT'): Span {
  return trace.getTracer('gatemeter.api').startSpan(`${operation} ${name}`, {
    kind: SpanKind.CLIENT,
    attributes: { 'db.system.name': 'clickhouse', 'db.operation.name': operation, 'db.collection.name': name },
  });
}

async function guard<T>(span: Span, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const failure = classify(error);
    span.setAttribute('error.type', failure.kind === 'permanent' ? String(failure.code) : failure.kind);
    span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
    throw new DatabaseFailure(failure, error);
  }
}
