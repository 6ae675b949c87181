import type { Logger } from '#common/log.ts';
import type { Reader, Writer } from './reader.ts';

/** What every route is given: where answers come from, what time it is, where to say what happened. */
export type Setting = {
  readonly db: Reader & Writer;
  readonly now: () => Date;
  readonly log: Logger;
  /** Of the worker that takes what is pushed; null where there is none. */
  readonly intakeUrl: string | null;
};
