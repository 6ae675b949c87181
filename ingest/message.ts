/** One message as the hub, or another way in, delivered it. */
export type Message = {
  /** namespace/hub/partition */
  readonly stream: string;
  /** +1 per message within the stream; below 2^53. */
  readonly sequence_number: number;
  /** Milliseconds since 1970, by the hub's clock. */
  readonly enqueued_at_ms: number;
  readonly body: Uint8Array;
  /** The source that the way in names: only its formats are tried. */
  readonly source?: string | undefined;
  /** Where its first record stood when it first came, for what comes again: an import of the same file, a replay. */
  readonly origin?: Origin | undefined;
};

/** Where a record stands; the only identity of a record that names no call. */
export type Origin = { readonly stream: string; readonly sequence_number: number; readonly record_index: number };
