import type { Sender } from 'rhea';
import { roomOf, socketOf } from './hub-amqp.ts';
import type { PartitionLog } from './hub-log.ts';
import { lastEnqueuedSection } from './hub-message.ts';
import type { StoredRecord } from './hub-record.ts';
import { endOf } from './hub-segment.ts';

/** What one read from disk asks for; each reader keeps at most this much, or one message, in memory. */
const READ_BYTES = 512 * 1024;
/** One turn of the event loop gives a reader at most this many messages, so that others have their turn. */
const TURN_MESSAGES = 256;
/** A reader whose socket has this much waiting gets no more until it has drained. */
const SOCKET_BYTES_MAX = 2 * 1024 * 1024;

/** Sends the messages of one partition to one consumer, in order, from a place on, as far as its credit goes. */
export class Delivery {
  readonly #sender: Sender;
  readonly #log: PartitionLog;
  readonly #isTracked: boolean;
  readonly #isPaused: () => boolean;
  readonly #onFailure: (error: Error) => void;
  readonly #stopListening: () => void;
  #position: number;
  #records: readonly StoredRecord[] = [];
  #next = 0;
  #sent = 0;
  #isReading = false;
  #isScheduled = false;
  #isClosed = false;

  constructor(options: {
    readonly sender: Sender;
    readonly log: PartitionLog;
    readonly position: number;
    readonly isTracked: boolean;
    readonly isPaused: () => boolean;
    readonly onFailure: (error: Error) => void;
  }) {
    this.#sender = options.sender;
    this.#log = options.log;
    this.#position = options.position;
    this.#isTracked = options.isTracked;
    this.#isPaused = options.isPaused;
    this.#onFailure = options.onFailure;
    this.#stopListening = options.log.onCommit(() => this.pump());
    options.sender.on('sendable', () => this.pump());
    this.pump();
  }

  close(): void {
    this.#isClosed = true;
    this.#records = [];
    this.#stopListening();
  }

  /** Sends what can be sent now. Called whenever something may have changed: credit, a commit, room in the socket. */
  pump(): void {
    if (this.#isClosed || this.#isReading || this.#isScheduled || this.#isPaused()) return;
    if (this.#next === this.#records.length) {
      if (this.#position < this.#log.endPosition && roomOf(this.#sender, this.#sent) > 0) void this.#read();
      return;
    }
    const socket = socketOf(this.#sender);
    if (socket.writableLength > SOCKET_BYTES_MAX) {
      this.#isScheduled = true;
      socket.once('drain', () => this.#resume());
      return;
    }
    if (this.#sendTurn() === 0) return;
    this.#isScheduled = true;
    setImmediate(() => this.#resume());
  }

  #resume(): void {
    this.#isScheduled = false;
    this.pump();
  }

  #sendTurn(): number {
    const waiting = this.#records.length - this.#next;
    const count = Math.min(roomOf(this.#sender, this.#sent), waiting, TURN_MESSAGES);
    if (count <= 0) return 0;
    const tracked = this.#isTracked ? this.#lastEnqueued() : undefined;
    const socket = socketOf(this.#sender);
    // rhea writes each frame by itself, in the next tick: the frames of a turn leave in one system call.
    socket.cork();
    for (const record of this.#records.slice(this.#next, this.#next + count)) this.#send(record, tracked);
    process.nextTick(() => socket.uncork());
    this.#next += count;
    return count;
  }

  #send(record: StoredRecord, tracked: Buffer | undefined): void {
    const { message, preambleBytes } = record;
    const payload =
      tracked === undefined
        ? message
        : Buffer.concat([message.subarray(0, preambleBytes), tracked, message.subarray(preambleBytes)]);
    const tag = Buffer.allocUnsafe(4);
    tag.writeUInt32BE(this.#sent >>> 0);
    this.#sender.send(payload, tag, 0);
    this.#sent += 1;
  }

  #lastEnqueued(): Buffer {
    const { sequence, position, enqueuedAt } = this.#log.last;
    return lastEnqueuedSection({ sequence, offset: String(position), enqueuedAt }, Date.now());
  }

  async #read(): Promise<void> {
    this.#isReading = true;
    try {
      this.#position = Math.max(this.#position, this.#log.beginPosition);
      this.#records = await this.#log.read(this.#position, READ_BYTES);
      this.#next = 0;
      const last = this.#records.at(-1);
      if (last !== undefined) this.#position = endOf(last);
    } catch (error) {
      if (!this.#isClosed) this.#onFailure(error as Error);
    } finally {
      this.#isReading = false;
    }
    this.pump();
  }
}
