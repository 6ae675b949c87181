import { once } from 'node:events';
import type { Socket } from 'node:net';
import { EventHubConsumerClient, EventHubProducerClient } from '@azure/event-hubs';
import rhea from 'rhea';
import { expect, test, vi } from 'vitest';
import type { LocalHub } from '../../local/hub.ts';
import { connectRaw } from '../support/hub-raw.ts';
import {
  event,
  openHub,
  openProducer,
  range,
  sequencesOf,
  subscribe,
  type Subscriber,
} from '../support/hub-clients.ts';

const inFirst = { partitionId: '0' };

/** A hub with one event, so that a subscription that has received it is known to be attached. */
async function hubWithOneEvent(): Promise<LocalHub> {
  const hub = await openHub();
  await openProducer(hub.connectionString).sendBatch([event('one')], inFirst);
  return hub;
}

async function attached(reader: Subscriber): Promise<void> {
  await reader.until(({ length }) => length > 0);
}

test('consumer groups, and consumers without an epoch in one group, each get every event', async () => {
  const { connectionString } = await openHub();
  const readers = ['$Default', '$Default', 'billing'].map((group) => subscribe(connectionString, { group }));
  const producer = openProducer(connectionString);
  for (const batch of range(4)) await producer.sendBatch([event(`${batch}a`), event(`${batch}b`)], inFirst);

  for (const reader of readers) expect(sequencesOf(await reader.until(({ length }) => length === 8))).toEqual(range(8));
});

test.each([
  ['a higher owner level', 1, 2],
  ['the same owner level', 1, 1],
  ['an owner level where there was none', undefined, 1],
])('a reader with %s takes the partition from the one before it', async (_case, ownerLevel, taker) => {
  const { connectionString } = await hubWithOneEvent();
  const before = subscribe(connectionString, ownerLevel === undefined ? {} : { ownerLevel });
  await attached(before);
  const after = subscribe(connectionString, { ownerLevel: taker });
  await attached(after);

  expect(await before.failed).toMatchObject({ code: 'ReceiverDisconnectedError', retryable: false });
  expect(sequencesOf(after.events)).toEqual([0]);
});

test.each([
  ['a lower owner level', 1, /higher epoch '5' already exists/u],
  ['no owner level', undefined, /created with epoch of '5', and so non-epoch receiver is not allowed/u],
])('a reader with %s is refused while an owner reads, and the owner goes on', async (_case, ownerLevel, words) => {
  const { connectionString } = await hubWithOneEvent();
  const owner = subscribe(connectionString, { ownerLevel: 5 });
  await attached(owner);
  const late = subscribe(connectionString, ownerLevel === undefined ? {} : { ownerLevel });

  const refusal = await late.failed;
  expect(refusal.code).toBe('ReceiverDisconnectedError');
  expect(refusal.message).toMatch(words);
  await openProducer(connectionString).sendBatch([event('two')], inFirst);
  expect(sequencesOf(await owner.until(({ length }) => length === 2))).toEqual([0, 1]);
  expect(late.events).toHaveLength(0);
});

test('an owner that has left does not keep others out', async () => {
  const { connectionString } = await hubWithOneEvent();
  const owner = subscribe(connectionString, { ownerLevel: 9 });
  await attached(owner);
  await owner.close();

  await attached(subscribe(connectionString));
});

test('an owner whose process is gone without a word does not keep others out', async () => {
  const { connectionString, port } = await hubWithOneEvent();
  const owner = await connectRaw(port);
  const properties = { 'com.microsoft:epoch': rhea.types.wrap_long(9) };
  const receiver = owner.open_receiver({ source: 'gateway-logs/ConsumerGroups/$default/Partitions/0', properties });
  await once(receiver, 'message');
  const late = subscribe(connectionString);
  expect(await late.failed).toMatchObject({ code: 'ReceiverDisconnectedError' });

  (owner['socket'] as Socket).destroy();
  await vi.waitFor(async () => {
    const reader = subscribe(connectionString);
    await Promise.race([attached(reader), reader.failed.then(Promise.reject.bind(Promise))]);
  });
});

test('an owner in one consumer group or partition does not concern the others', async () => {
  const { connectionString } = await hubWithOneEvent();
  await openProducer(connectionString).sendBatch([event('other')], { partitionId: '1' });
  await attached(subscribe(connectionString, { ownerLevel: 5 }));

  await attached(subscribe(connectionString, { group: 'billing' }));
  await attached(subscribe(connectionString, { partition: '1' }));
});

test('a sixth reader without an owner level is refused, as by the service', async () => {
  const { connectionString } = await hubWithOneEvent();
  for (const reader of range(5).map(() => subscribe(connectionString))) await attached(reader);

  expect(await subscribe(connectionString).failed).toMatchObject({ code: 'QuotaExceededError' });
});

test('a hub, a partition and a selector that do not exist are refused by name', async () => {
  const { connectionString } = await openHub();
  const elsewhere = connectionString.replace('EntityPath=gateway-logs', 'EntityPath=other-logs');
  const producer = new EventHubProducerClient(elsewhere, { retryOptions: { maxRetries: 0 } });
  const consumer = new EventHubConsumerClient('$Default', elsewhere, { retryOptions: { maxRetries: 0 } });

  await expect(producer.getEventHubProperties()).rejects.toMatchObject({ code: 'MessagingEntityNotFoundError' });
  await expect(consumer.getPartitionProperties('0')).rejects.toMatchObject({ code: 'MessagingEntityNotFoundError' });
  expect(await subscribe(elsewhere).failed).toMatchObject({ code: 'MessagingEntityNotFoundError' });
  expect(await subscribe(connectionString, { partition: '7' }).failed).toMatchObject({
    code: 'ArgumentOutOfRangeError',
  });
  const words = await subscribe(connectionString, { from: { offset: 'no offset' } }).failed;
  expect(words.message).toBe(
    "The filter 'amqp.annotation.x-opt-offset > 'no offset'' is not a valid amqp filter for EventHub entities",
  );
  await Promise.all([producer.close(), consumer.close()]);
});
