import { setTimeout as delay } from 'node:timers/promises';
import {
  EventHubConsumerClient,
  RetryMode,
  earliestEventPosition,
  type CheckpointStore,
  type EventHubConsumerClientOptions,
  type EventPosition,
  type PartitionContext,
  type ReceivedEventData,
  type Subscription,
} from '@azure/event-hubs';
import { messageOf } from '#common/error.ts';
import { azureCredential } from './credential.ts';
import type { Message } from './message.ts';

/** The only door to @azure/event-hubs. */
export type HubConfig = {
  readonly access:
    | { readonly kind: 'connection_string'; readonly connectionString: string }
    | { readonly kind: 'entra'; readonly namespace: string };
  readonly hub: string;
  readonly consumerGroup: string;
  /** 1, or higher after the hub was recreated under the same name: its positions start anew. */
  readonly generation: number;
  /** Where other tools look for checkpoints; ingest itself trusts the table only. */
  readonly checkpointContainerUrl: string | null;
};

/** Sequence numbers the hub holds; `last` is -1 when the partition never had a message. */
export type Held = { readonly beginning: number; readonly last: number };

type ReadOptions = {
  readonly partition: string;
  /** Messages after this sequence number, and itself too when `inclusive`; null from the oldest. */
  readonly after: { readonly sequence_number: number; readonly inclusive: boolean } | null;
  /** With which others are disconnected; null reads beside them, and is refused where somebody has one. */
  readonly ownerLevel: number | null;
  readonly messagesMax: number;
  /** Called one after the other; the next call waits for this one, which is the back pressure. Must not throw. */
  readonly onMessages: (messages: Message[]) => Promise<void>;
  /** The subscription is of no more use; called at most once, never after `close`. */
  readonly onEnd: (reason: 'stolen' | 'invalid_position' | 'failed', detail: string) => void;
};

export type Reading = { readonly close: () => Promise<void> };

export type Hub = {
  readonly streamOf: (partition: string) => string;
  readonly partitions: () => Promise<string[]>;
  readonly held: (partition: string) => Promise<Held>;
  /** Which hub of this name it is: another one answers otherwise. Asked after the call began; callers share answers. */
  readonly identity: () => Promise<string>;
  readonly read: (options: ReadOptions) => Reading;
  /** Fails the questions that wait, which they do for more than a minute where the hub is away, and all later ones. */
  readonly leave: () => void;
  readonly close: () => Promise<void>;
};

/**
 * A broken connection is tried again soon: the default of 30 s is a hole in everybody's dashboards. A question whose
 * answer went down with its connection is asked again well before the lease of this worker runs out.
 */
const clientOptions = (maxRetries: number): EventHubConsumerClientOptions => ({
  retryOptions: {
    mode: RetryMode.Exponential,
    timeoutInMs: 4_000,
    maxRetries,
    retryDelayInMs: 200,
    maxRetryDelayInMs: 10_000,
  },
});
/** The least time between two questions for the hub's identity, milliseconds. */
const identityPauseMs = 100;

/** `maxRetries` is how often a question is asked again before it fails; a worker asks for more than a minute. */
export async function openHub(config: HubConfig, maxRetries: number = 10): Promise<Hub> {
  const client = await consumer(config, await checkpointStore(config), clientOptions(maxRetries));
  const leaving = new AbortController();
  const asked = { abortSignal: leaving.signal };
  const suffix = config.generation === 1 ? '' : `#${config.generation}`;
  const streamOf = (partition: string): string =>
    `${client.fullyQualifiedNamespace}/${client.eventHubName}${suffix}/${partition}`;
  return {
    streamOf,
    partitions: async () => client.getPartitionIds(asked),
    held: async (partition) => {
      const properties = await client.getPartitionProperties(partition, asked);
      return {
        beginning: properties.beginningSequenceNumber,
        last:
          properties.isEmpty && properties.lastEnqueuedSequenceNumber <= 0 ? -1 : properties.lastEnqueuedSequenceNumber,
      };
    },
    identity: shared(async () => (await client.getEventHubProperties(asked)).createdOn.toISOString()),
    read: (options) => read(client, streamOf(options.partition), options),
    leave: () => leaving.abort(),
    close: async () => client.close(),
  };
}

/** A question whose answer serves every caller that came before it was asked. */
function shared(ask: () => Promise<string>): () => Promise<string> {
  let next: Promise<string> | null = null;
  let last: Promise<unknown> = Promise.resolve();
  return async () => {
    next ??= last.then(async () => {
      next = null;
      const answer = ask();
      last = answer.catch(() => {}).then(async () => delay(identityPauseMs));
      return answer;
    });
    return next;
  };
}

async function checkpointStore(config: HubConfig): Promise<CheckpointStore | null> {
  if (config.checkpointContainerUrl === null) return null;
  const { BlobCheckpointStore } = await import('@azure/eventhubs-checkpointstore-blob');
  const { ContainerClient } = await import('@azure/storage-blob');
  return new BlobCheckpointStore(new ContainerClient(config.checkpointContainerUrl, await azureCredential()));
}

async function consumer(
  config: HubConfig,
  store: CheckpointStore | null,
  options: EventHubConsumerClientOptions,
): Promise<EventHubConsumerClient> {
  const { access, hub, consumerGroup } = config;
  if (access.kind === 'connection_string') {
    // The hub's name may stand in the connection string (EntityPath); the SDK refuses two that differ.
    return store === null
      ? new EventHubConsumerClient(consumerGroup, access.connectionString, hub, options)
      : new EventHubConsumerClient(consumerGroup, access.connectionString, hub, store, options);
  }
  const credential = await azureCredential();
  return store === null
    ? new EventHubConsumerClient(consumerGroup, access.namespace, hub, credential, options)
    : new EventHubConsumerClient(consumerGroup, access.namespace, hub, credential, store, options);
}

function read(client: EventHubConsumerClient, stream: string, options: ReadOptions): Reading {
  let over = false;
  let subscription: Subscription | null = null;
  const end = (reason: Parameters<ReadOptions['onEnd']>[0], detail: string): void => {
    if (over) return;
    over = true;
    options.onEnd(reason, detail);
    // Not awaited here: closing waits for the handler, and this may run inside it.
    void subscription?.close().catch(() => {});
  };
  const startPosition: EventPosition =
    options.after === null
      ? earliestEventPosition
      : { sequenceNumber: options.after.sequence_number, isInclusive: options.after.inclusive };
  subscription = client.subscribe(
    options.partition,
    {
      processEvents: async (events: ReceivedEventData[], context: PartitionContext) => {
        if (over || events.length === 0) return;
        await options.onMessages(events.map((event) => toMessage(stream, event)));
        const last = events.at(-1);
        // A hint for dashboards and for the SDK's own restarts, written after the table has the messages.
        if (!over && last !== undefined) await context.updateCheckpoint(last).catch(() => {});
      },
      processError: async (error) => {
        const code = (error as { code?: string }).code ?? '';
        if (code === 'ReceiverDisconnectedError') end('stolen', error.message);
        else if (/supplied sequence number/i.test(error.message)) end('invalid_position', error.message);
        else if ((error as { retryable?: boolean }).retryable !== true) end('failed', messageOf(error));
      },
    },
    {
      startPosition,
      ...(options.ownerLevel === null ? {} : { ownerLevel: options.ownerLevel }),
      maxBatchSize: options.messagesMax,
      prefetchCount: options.messagesMax,
      // A client whose connection breaks while it waits comes back only when its wait is over.
      maxWaitTimeInSeconds: 1,
      skipParsingBodyAsJson: true,
    },
  );
  return {
    close: async () => {
      over = true;
      await subscription?.close();
    },
  };
}

function toMessage(stream: string, event: ReceivedEventData): Message {
  return {
    stream,
    sequence_number: event.sequenceNumber,
    enqueued_at_ms: event.enqueuedTimeUtc.getTime(),
    body: bytesOf(event.body),
  };
}

/** AMQP data sections arrive as bytes; a value or sequence section, which no gateway sends, as its JSON. */
function bytesOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (body === null || body === undefined) return new Uint8Array(0);
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}
