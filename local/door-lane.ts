import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { DoorError, cancelled, failureFromEngine } from './door-error.ts';
import type { Counts, FromWorker, Job, ToWorker, WorkerSettings } from './door-worker.ts';

export type LaneOptions = WorkerSettings & {
  /** How many requests run at once. */
  readonly places: number;
  /** Of these, how many only writes may take, so that slow reads cannot keep rows from getting in. */
  readonly placesForWrites: number;
  /** Asks the engine to stop the query of this job; it may not have begun, so it is asked again until it has ended. */
  readonly kill: (jobId: string) => Promise<void>;
};

type Waiter = {
  readonly isRead: boolean;
  readonly enter: (place: Place) => void;
  readonly leave: (error: Error) => void;
};

const killAgainMs = 200;

/**
 * The worker threads and who may use one. Threads, because the engine plans a streamed query, with all its scalar
 * subqueries, on the thread that asks; on the main thread that would stop every other request, even a ping.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #idle: Place[] = [];
  #busy = 0;
  #reading = 0;
  #waiting: Waiter[] = [];
  #closed = false;
  readonly #all = new Set<Place>();

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Runs a job and gives its chunks; the value at the end is what it counted. Leaving early cancels it. */
  async *run(job: Job, isRead: boolean, signal: AbortSignal): AsyncGenerator<Uint8Array<ArrayBuffer>, Counts> {
    const place = await this.#enter(isRead, signal);
    const stopKilling = isRead ? this.#killOn(signal, place, job.id) : () => undefined;
    let last: FromWorker | undefined;
    try {
      place.start(job);
      for (;;) {
        const message = await place.next();
        if (message.kind === 'chunk') {
          yield message.bytes;
          place.post({ kind: 'more' });
          continue;
        }
        last = message;
        if (signal.aborted) throw cancelled();
        if (message.kind === 'failed') throw new DoorError(failureFromEngine(message.message));
        return message.counts;
      }
    } finally {
      if (last === undefined) await this.#abandon(place, job.id);
      stopKilling();
      this.#release(place, isRead);
    }
  }

  /** Lets what runs end, refuses what waits, and ends the threads. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.leave(closing());
    const all = [...this.#all];
    // With the first thread that goes, the engine lets go of the connections of all: what runs would never end.
    await Promise.all(all.map(async (place) => place.finished()));
    await Promise.all(all.map(async (place) => place.end()));
  }

  async #enter(isRead: boolean, signal: AbortSignal): Promise<Place> {
    if (this.#closed) throw closing();
    if (signal.aborted) throw cancelled();
    if (this.#mayEnter(isRead)) return this.#take(isRead);
    return new Promise<Place>((resolve, reject) => {
      const waiter: Waiter = { isRead, enter: resolve, leave: reject };
      this.#waiting.push(waiter);
      signal.addEventListener('abort', () => {
        const at = this.#waiting.indexOf(waiter);
        if (at < 0) return;
        this.#waiting.splice(at, 1);
        reject(cancelled());
      });
    });
  }

  #mayEnter(isRead: boolean): boolean {
    const { places, placesForWrites } = this.#options;
    return this.#busy < places && (!isRead || this.#reading < places - placesForWrites);
  }

  #take(isRead: boolean): Place {
    this.#busy += 1;
    if (isRead) this.#reading += 1;
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const { directory, tableFunctions } = this.#options;
    const place = new Place({ directory, tableFunctions });
    this.#all.add(place);
    return place;
  }

  #release(place: Place, isRead: boolean): void {
    this.#busy -= 1;
    if (isRead) this.#reading -= 1;
    if (place.isBroken) this.#all.delete(place);
    else this.#idle.push(place);
    const at = this.#waiting.findIndex((waiter) => this.#mayEnter(waiter.isRead));
    const [next] = at < 0 ? [] : this.#waiting.splice(at, 1);
    next?.enter(this.#take(next.isRead));
  }

  /** While the signal is aborted and the job has not ended, the engine is asked to stop its query. */
  #killOn(signal: AbortSignal, place: Place, jobId: string): () => void {
    let timer: NodeJS.Timeout | undefined;
    const kill = (): void => {
      place.post({ kind: 'cancel' });
      void this.#options.kill(jobId);
      timer = setTimeout(kill, killAgainMs);
    };
    signal.addEventListener('abort', kill, { once: true });
    return () => {
      signal.removeEventListener('abort', kill);
      clearTimeout(timer);
    };
  }

  async #abandon(place: Place, jobId: string): Promise<void> {
    const kill = setInterval(() => void this.#options.kill(jobId), killAgainMs);
    place.post({ kind: 'cancel' });
    void this.#options.kill(jobId);
    try {
      while ((await place.next()).kind === 'chunk');
    } catch {
      // A broken thread holds nothing any more.
    } finally {
      clearInterval(kill);
    }
  }
}

/** One worker thread and the messages it has sent that nobody has taken yet. */
class Place {
  readonly #worker: Worker;
  readonly #mail: FromWorker[] = [];
  #reader: { resolve: (message: FromWorker) => void; reject: (error: Error) => void } | undefined;
  #broken: Error | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #isRunning = false;
  #finished: (() => void) | undefined;

  constructor(settings: WorkerSettings) {
    this.#worker = new Worker(new URL('door-worker.ts', import.meta.url), { workerData: settings });
    this.#ended = once(this.#worker, 'exit').catch(() => undefined);
    this.#worker.on('message', (message: FromWorker) => this.#receive(message));
    this.#worker.on('error', (error) => this.#break(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', () => this.#break(new Error('an engine thread ended')));
  }

  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  start(job: Job): void {
    this.#isRunning = true;
    const { statement } = job;
    this.#worker.postMessage({ kind: 'run', job }, statement.kind === 'load' ? [statement.data.buffer] : []);
  }

  post(message: ToWorker): void {
    this.#worker.postMessage(message, []);
  }

  async next(): Promise<FromWorker> {
    const message = this.#mail.shift();
    if (message !== undefined) return message;
    if (this.#broken !== undefined) throw this.#broken;
    return new Promise((resolve, reject) => (this.#reader = { resolve, reject }));
  }

  /** Resolves when its job has ended, or at once where it has none. */
  async finished(): Promise<void> {
    if (this.#isRunning) await new Promise<void>((resolve) => (this.#finished = resolve));
  }

  /** Ends the thread, once no thread has a job. */
  async end(): Promise<void> {
    await this.#worker.terminate();
    await this.#ended;
  }

  #receive(message: FromWorker): void {
    if (message.kind !== 'chunk') {
      this.#isRunning = false;
      this.#finished?.();
    }
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) this.#mail.push(message);
    else reader.resolve(message);
  }

  #break(error: Error): void {
    this.#broken ??= error;
    this.#isRunning = false;
    this.#finished?.();
    this.#reader?.reject(this.#broken);
    this.#reader = undefined;
  }
}

function closing(): DoorError {
  return new DoorError({ code: 210, name: 'NETWORK_ERROR', sentence: 'The embedded engine is closing' });
}
