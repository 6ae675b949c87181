import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  earliestEventPosition,
  EventHubConsumerClient,
  EventHubProducerClient,
  type EventPosition,
  type LastEnqueuedEventProperties,
  type ReceivedEventData,
  type SubscribeOptions,
} from '@azure/event-hubs';
import { onTestFinished } from 'vitest';
import { startHub, type LocalHub } from '../../local/hub.ts';

/** Tries again at once, as a test has no half minute to wait. */
const retryOptions = { maxRetries: 10, retryDelayInMs: 20, timeoutInMs: 20_000 };

/** A directory that is deleted after the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gatemeter-hub-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A hub in this process that is closed after the test; without a directory, a new one. */
export async function openHub(directory?: string, partitionCount = 2): Promise<LocalHub> {
  const dataDirectory = directory ?? (await temporaryDirectory());
  const hub = await startHub({ dataDirectory, port: 0, hub: 'gateway-logs', partitionCount });
  onTestFinished(() => hub.close());
  return hub;
}

export function openProducer(connectionString: string): EventHubProducerClient {
  const producer = new EventHubProducerClient(connectionString, { retryOptions });
  onTestFinished(() => producer.close());
  return producer;
}

/** What one subscription to one partition has received so far. */
export type Subscriber = {
  readonly events: readonly ReceivedEventData[];
  readonly lastEnqueued: () => LastEnqueuedEventProperties | undefined;
  /** Resolves when `isEnough` holds for the events; rejects when the subscription fails before. */
  readonly until: (
    isEnough: (events: readonly ReceivedEventData[]) => boolean,
  ) => Promise<readonly ReceivedEventData[]>;
  /** Resolves with the first error that ended the subscription. */
  readonly failed: Promise<Error & { readonly code?: string }>;
  readonly close: () => Promise<void>;
};

/** Subscribes to a partition, from its start unless told otherwise, and unsubscribes after the test. */
export function subscribe(
  connectionString: string,
  options: SubscribeOptions & { partition?: string; group?: string; from?: EventPosition } = {},
): Subscriber {
  const { partition = '0', group = '$Default', from = earliestEventPosition, ...others } = options;
  const client = new EventHubConsumerClient(group, connectionString, { retryOptions });
  const events: ReceivedEventData[] = [];
  const checks = new Set<() => void>();
  const failed = Promise.withResolvers<Error>();
  let lastEnqueued: LastEnqueuedEventProperties | undefined;
  const subscription = client.subscribe(
    partition,
    {
      processEvents: async (received, context) => {
        events.push(...received);
        lastEnqueued = context.lastEnqueuedEventProperties;
        for (const check of checks) check();
      },
      processError: async (error) => {
        // Errors that the client tries again for are not the end of a subscription.
        if (!(error as { retryable?: boolean }).retryable) failed.resolve(error);
      },
    },
    // A client whose connection breaks while it waits comes back only when its wait is over.
    { maxBatchSize: 500, maxWaitTimeInSeconds: 0.1, startPosition: from, skipParsingBodyAsJson: true, ...others },
  );
  const close = async (): Promise<void> => {
    await subscription.close();
    await client.close();
  };
  onTestFinished(close);
  const until: Subscriber['until'] = (isEnough) =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (!isEnough(events)) return;
        checks.delete(check);
        resolve(events);
      };
      checks.add(check);
      void failed.promise.then(reject);
      check();
    });
  return { events, lastEnqueued: () => lastEnqueued, until, failed: failed.promise, close };
}

/** The first `count` events of a partition from a position on. */
export async function receive(
  connectionString: string,
  count: number,
  options: Parameters<typeof subscribe>[1] = {},
): Promise<readonly ReceivedEventData[]> {
  const subscriber = subscribe(connectionString, options);
  await subscriber.until((events) => events.length >= count);
  await subscriber.close();
  return subscriber.events;
}

export function sequencesOf(events: readonly ReceivedEventData[]): number[] {
  return events.map(({ sequenceNumber }) => sequenceNumber);
}

/** `count` numbers that rise by one. */
export function range(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

/** An event whose body is the bytes of a text; the client would write a bare string as JSON. */
export function event(text: string): { readonly body: Buffer } {
  return { body: Buffer.from(text) };
}
