import type { Database } from '#clickhouse/client.ts';
import { classify, type Failure } from '#clickhouse/error.ts';

/** What the routes need of a database. */
export type Reader = Pick<Database, 'read' | 'stream'>;

/** A failure of the database, kept apart from a bug of ours, which must not ask a client to retry. */
export class DatabaseFailure extends Error {
  override name = 'DatabaseFailure';
  readonly failure: Failure;

  constructor(failure: Failure, cause: unknown) {
    super(failure.message, { cause });
    this.failure = failure;
  }
}

/** The same database, whose errors say that they are its own. */
export function reader(db: Database): Reader {
  return {
    read: async (view, args, selection) => guard(db.read(view, args, selection)),
    stream: async (view, args, format, selection) => guard(db.stream(view, args, format, selection)),
  };
}

async function guard<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw new DatabaseFailure(classify(error), error);
  }
}
