import type { Refusal } from './hub-amqp.ts';

/** A reader of one partition in one consumer group; `epoch` is undefined for one that does not ask to be alone. */
export type Reader = {
  readonly name: string;
  readonly epoch: number | undefined;
  readonly disconnect: (reason: Refusal) => void;
};

/** What the service allows side by side in a consumer group on one partition. */
const READERS_MAX = 5;

/**
 * Who may read a partition in a consumer group. A reader with an epoch is alone: it disconnects those with a lower or
 * the same epoch and those without, and while it is there only the same or a higher epoch may come.
 */
export class Readers {
  readonly #byPlace = new Map<string, Set<Reader>>();

  /** Lets a reader in, or says why not. `place` is the consumer group and the partition. */
  admit(place: string, reader: Reader): Refusal | undefined {
    const present = this.#byPlace.get(place) ?? new Set();
    const refusal = refusalOf(reader, [...present]);
    if (refusal !== undefined) return refusal;
    this.#byPlace.set(place, present);
    if (reader.epoch !== undefined) {
      for (const other of present) {
        present.delete(other);
        other.disconnect(stolen(reader, other));
      }
    }
    present.add(reader);
    return undefined;
  }

  leave(place: string, reader: Reader): void {
    this.#byPlace.get(place)?.delete(reader);
  }
}

function refusalOf(reader: Reader, present: readonly Reader[]): Refusal | undefined {
  const alone = present.find(({ epoch }) => epoch !== undefined);
  if (alone?.epoch === undefined) {
    if (reader.epoch !== undefined || present.length < READERS_MAX) return undefined;
    return {
      condition: 'amqp:resource-limit-exceeded',
      description: `Exceeded the maximum number of allowed receivers per partition in a consumer group which is ${READERS_MAX}.`,
    };
  }
  if (reader.epoch === undefined)
    return {
      condition: 'amqp:link:stolen',
      description: `At least one receiver for the endpoint is created with epoch of '${alone.epoch}', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.`,
    };
  if (reader.epoch >= alone.epoch) return undefined;
  return {
    condition: 'amqp:link:stolen',
    description: `Receiver '${alone.name}' with a higher epoch '${alone.epoch}' already exists. Receiver '${reader.name}' with epoch ${reader.epoch} cannot be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or ensure all old epoch receivers are closed or disconnected.`,
  };
}

function stolen(by: Reader, from: Reader): Refusal {
  const was = from.epoch === undefined ? 'without epoch' : `with epoch '${from.epoch}'`;
  return {
    condition: 'amqp:link:stolen',
    description: `New receiver '${by.name}' with higher epoch of '${by.epoch}' is created hence current receiver '${from.name}' ${was} is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used.`,
  };
}
