import type { Sender, Typed } from 'rhea';
import { acceptLink, desiredOf, refuse, type Refusal } from './hub-amqp.ts';
import { Delivery } from './hub-delivery.ts';
import type { Reader } from './hub-epoch.ts';
import type { PartitionLog } from './hub-log.ts';
import { parseSelector, type Position } from './hub-position.ts';
import { partitionOf, type HubState } from './hub-state.ts';

const SELECTOR_FILTER = 'apache.org:selector-filter:string';
const EPOCH = 'com.microsoft:epoch';
const RECEIVER_NAME = 'com.microsoft:receiver-name';
const RUNTIME_METRIC = 'com.microsoft:enable-receiver-runtime-metric';

/** Opens a link to a consumer, or refuses it; returns how to end it when it is gone. */
export function openConsumer(
  state: HubState,
  sender: Sender,
  address: { readonly group: string; readonly partition: string },
): () => void {
  const log = partitionOf(state, address.partition);
  if (log === undefined) return refused(sender, noPartition(state, address.partition));
  const filter = filterOf(sender);
  const position = filter === undefined ? ({ kind: 'start' } as const) : parseSelector(filter);
  if (position === undefined) return refused(sender, notAFilter(filter ?? ''));
  const beyond = beyondTheEnd(log, position);
  if (beyond !== undefined) return refused(sender, beyond);
  return deliver(state, sender, { log, position, place: `${address.group}/${address.partition}` });
}

/** The refusal of a partition that the hub does not have. */
export function noPartition(state: HubState, partition: string): Refusal {
  return {
    condition: 'com.microsoft:argument-out-of-range',
    description: `The specified partition is invalid for an EventHub partition sender or receiver: '${partition}'. It should be between 0 and ${state.partitions.length - 1}.`,
  };
}

function deliver(
  state: HubState,
  sender: Sender,
  from: { readonly log: PartitionLog; readonly position: Position; readonly place: string },
): () => void {
  const wishes = desiredOf(sender);
  const isTracked = wishes.includes(RUNTIME_METRIC);
  let delivery: Delivery | undefined;
  let isOpen = true;
  const end = (): void => {
    isOpen = false;
    if (delivery !== undefined) state.deliveries.delete(delivery);
    delivery?.close();
    state.readers.leave(from.place, reader);
  };
  const disconnect = (reason: Refusal): void => {
    end();
    refuse(sender, reason);
  };
  const fail = (error: Error): void => {
    state.log?.error({ event: 'hub_read_failed', place: from.place, error: error.message }, 'cannot read a partition');
    disconnect({ condition: 'amqp:internal-error', description: `The partition cannot be read: ${error.message}` });
  };
  const reader: Reader = { ...identityOf(sender), disconnect };
  const refusal = state.readers.admit(from.place, reader);
  if (refusal !== undefined) return refused(sender, refusal);

  sender.set_source({ address: sender.source.address, filter: sender.source.filter ?? {} });
  acceptLink(sender, isTracked ? [RUNTIME_METRIC] : []);
  const start = async (): Promise<void> => {
    const position = await from.log.locate(from.position);
    if (!isOpen) return;
    const isPaused = (): boolean => state.isPaused;
    delivery = new Delivery({ sender, log: from.log, position, isTracked, isPaused, onFailure: fail });
    state.deliveries.add(delivery);
  };
  start().catch(fail);
  return end;
}

function identityOf(sender: Sender): { readonly name: string; readonly epoch: number | undefined } {
  const properties = sender.properties as Record<string, unknown> | null | undefined;
  const epoch = properties?.[EPOCH];
  const name = properties?.[RECEIVER_NAME];
  return {
    name: typeof name === 'string' ? name : 'nil',
    epoch: typeof epoch === 'number' ? epoch : undefined,
  };
}

function filterOf(sender: Sender): string | undefined {
  const filters = sender.source.filter as Record<string, unknown> | null | undefined;
  const filter = filters?.[SELECTOR_FILTER];
  return filter === undefined || filter === null ? undefined : `${(filter as Typed).value}`;
}

function beyondTheEnd(log: PartitionLog, position: Position): Refusal | undefined {
  if (position.kind !== 'sequence' && position.kind !== 'offset') return undefined;
  const last = position.kind === 'sequence' ? log.last.sequence : log.last.position;
  const word = position.kind === 'sequence' ? 'sequence number' : 'offset';
  if (position.value <= last) return undefined;
  return {
    condition: 'com.microsoft:argument-error',
    description: `The supplied ${word} '${position.value}' is invalid. The last ${word} in the system is '${last}'`,
  };
}

function notAFilter(filter: string): Refusal {
  return {
    condition: 'com.microsoft:argument-error',
    description: `The filter '${filter}' is not a valid amqp filter for EventHub entities`,
  };
}

function refused(sender: Sender, refusal: Refusal): () => void {
  refuse(sender, refusal);
  return () => undefined;
}
