import type { Event } from './event.ts';
import type { Origin } from './message.ts';
import type { Json, JsonObject, Reader } from './reader.ts';

/** One wire format: how its records are told from all others, and what they say. Pure: no clock, no I/O. */
export type Format = {
  /** The column `source`, the label, and the folder of its fixtures; a way in may name it or what it begins with. */
  readonly source: string;
  readonly decode: (record: Reader, origin: Origin) => Event;
} & (
  | {
      /** Azure Monitor's `category`, lower case. */
      readonly category: string;
    }
  | {
      /** Looks at names and constants with `has` and `peek` only. Of several that say yes the first listed decodes. */
      readonly recognises: (record: Reader) => boolean;
    }
);

/** A message whose records are not listed in `records` or an array; gives them back one by one, or null. */
export type Envelope = (message: JsonObject) => readonly Json[] | null;
