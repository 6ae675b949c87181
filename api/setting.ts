import type { Logger } from '#common/log.ts';
import type { Writer } from './append.ts';
import type { Reader } from './reader.ts';

/** What every route is given: where answers come from, what time it is, where to say what happened. */
export type Setting = {
  readonly db: Reader;
  readonly books: Writer;
  /** Who bills, as statements and FOCUS files name it. */
  readonly issuer: string;
  readonly now: () => Date;
  readonly log: Logger;
  /** Of the worker that takes what is pushed; null where there is none. */
  readonly intakeUrl: string | null;
};
