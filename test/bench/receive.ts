import { EventHubConsumerClient, earliestEventPosition } from '@azure/event-hubs';
import { report, timed } from './part.ts';

// The bare receive: the SDK with a handler that only counts, with the options of ingest.
const input = JSON.parse(process.argv[2] ?? '') as { connectionString: string; messages: number; events: number };
const client = new EventHubConsumerClient('$Default', input.connectionString);
// The connection is there before the clock runs, as it is for a worker.
const partitions = await client.getPartitionIds();
const { messages, events } = input;
const measure = await timed({ messages, events }, async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  const handlers = {
    processEvents: async (received: readonly unknown[]): Promise<void> => {
      seen += received.length;
      if (seen >= messages) resolve();
    },
    processError: async (error: Error): Promise<void> => {
      throw error;
    },
  };
  for (const partition of partitions) {
    client.subscribe(partition, handlers, {
      startPosition: earliestEventPosition,
      maxBatchSize: 500,
      prefetchCount: 500,
      maxWaitTimeInSeconds: 1,
      skipParsingBodyAsJson: true,
    });
  }
  await promise;
});
report(measure);
await client.close();
process.exit(0);
