import { crc32 } from 'node:zlib';
import type { Receiver } from 'rhea';
import { present } from '#common/assert.ts';
import { rawDelivery, refuse, type RawDelivery, type Refusal } from './hub-amqp.ts';
import { noPartition } from './hub-consumers.ts';
import type { PartitionLog } from './hub-log.ts';
import { MalformedMessage, MESSAGE_BYTES_MAX, unpack } from './hub-message.ts';
import { partitionOf, type HubState } from './hub-state.ts';

/** How many deliveries a producer may have under way, which bounds what waits for the disk in memory. */
const CREDIT = 300;

/** Opens a link from a producer to one partition, or to the hub, which then chooses the partition of each delivery. */
export function openProducer(state: HubState, receiver: Receiver, partition: string | undefined): void {
  const fixed = partition === undefined ? undefined : partitionOf(state, partition);
  if (partition !== undefined && fixed === undefined) {
    refuse(receiver, noPartition(state, partition));
    return;
  }
  receiver.set_target({ address: receiver.target.address });
  receiver.on('message', (context) => {
    void store(state, fixed, rawDelivery(context)).then(() => receiver.add_credit(1));
  });
  receiver.add_credit(CREDIT);
}

/** Stores one delivery and settles it: accepted when it is on disk, rejected when nothing of it is stored. */
async function store(state: HubState, fixed: PartitionLog | undefined, sent: RawDelivery): Promise<void> {
  const { payload, format, delivery } = sent;
  if (payload.length > MESSAGE_BYTES_MAX) {
    delivery.reject(tooLarge(delivery.id, payload.length));
    return;
  }
  try {
    const { drafts, partitionKey } = unpack(payload, format);
    await (fixed ?? choose(state, partitionKey)).append(drafts);
    delivery.accept();
  } catch (error) {
    delivery.reject(refusalOf(state, error as Error));
  }
}

function choose(state: HubState, partitionKey: Buffer | undefined): PartitionLog {
  const count = state.partitions.length;
  const turn = partitionKey === undefined ? state.turn++ : crc32(partitionKey);
  return present(state.partitions[turn % count], 'a partition for every turn');
}

function tooLarge(id: number, bytes: number): Refusal {
  return {
    condition: 'amqp:link:message-size-exceeded',
    description: `The received message (delivery-id:${id}, size:${bytes} bytes) exceeds the limit (${MESSAGE_BYTES_MAX} bytes) currently allowed on the link.`,
  };
}

function refusalOf(state: HubState, error: Error): Refusal {
  if (error instanceof MalformedMessage) return { condition: 'amqp:decode-error', description: error.message };
  state.log?.error({ event: 'hub_write_failed', error: error.message }, 'cannot store a delivery; it is rejected');
  // A condition that the SDK tries again for: the disk may have room by then.
  return { condition: 'amqp:internal-error', description: `The messages could not be stored: ${error.message}` };
}
