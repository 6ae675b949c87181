import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { latestEventPosition } from '@azure/event-hubs';
import rhea, { type EventContext } from 'rhea';
import { expect, test } from 'vitest';
import { keepRaw, rawDelivery } from '../../local/hub-amqp.ts';
import { event, openHub, openProducer, range, receive, sequencesOf, subscribe } from '../support/hub-clients.ts';
import { connectRaw } from '../support/hub-raw.ts';

const inFirst = { partitionId: '0' };

test('an event comes back with the bytes, the properties and the identifiers that it was sent with', async () => {
  const { connectionString } = await openHub();
  const body = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x0a, 0xed, 0xa0, 0x80]);
  const sent = {
    body,
    properties: { gateway: 'apim', attempt: 3, ratio: 0.5, isBilled: true },
    messageId: 'message-1',
    correlationId: 'call-1',
    contentType: 'application/octet-stream',
  };
  await openProducer(connectionString).sendBatch([sent], inFirst);

  const [received] = await receive(connectionString, 1);

  expect(received).toMatchObject(sent);
  expect(received?.sequenceNumber).toBe(0);
});

test('the sections and annotations of a raw AMQP message survive, except those that only the hub may set', async () => {
  const { connectionString } = await openHub();
  const message = {
    body: Buffer.from('raw'),
    bodyType: 'data' as const,
    header: { durable: true },
    messageAnnotations: { 'x-opt-custom': 'kept', 'x-opt-sequence-number': 99, 'x-opt-offset': '99' },
    properties: { subject: 'log', groupId: 'group-1' },
    applicationProperties: { region: 'westeurope' },
  };
  await openProducer(connectionString).sendBatch([message], inFirst);

  const [received] = await receive(connectionString, 1);
  const raw = received?.getRawAmqpMessage();

  expect(raw?.header).toMatchObject({ durable: true });
  expect(raw?.messageAnnotations).toMatchObject({ 'x-opt-custom': 'kept', 'x-opt-offset': '0' });
  expect(raw?.properties).toMatchObject({ subject: 'log', groupId: 'group-1' });
  expect(raw?.applicationProperties).toEqual({ region: 'westeurope' });
  expect(received?.sequenceNumber).toBe(0);
});

test('a plain message, outside a batch, keeps its bytes, which decoding and encoding it would change', async () => {
  const { port } = await openHub();
  const connection = await connectRaw(port);
  const sender = connection.open_sender('gateway-logs/Partitions/0');
  await once(sender, 'sendable');
  const message = {
    body: rhea.message.data_section(Buffer.from([0x80, 0xff])),
    application_properties: { duration: rhea.types.wrap_long(5), ratio: rhea.types.wrap_double(2) },
  };
  sender.send(message);
  await once(sender, 'accepted');
  const receiver = connection.open_receiver('gateway-logs/ConsumerGroups/$Default/Partitions/0');
  keepRaw(receiver.session);
  const [context] = (await once(receiver, 'message')) as [EventContext];

  // The hub's annotations stand between the header, which is 4 bytes here, and the rest.
  const rest = rhea.message.encode(message).subarray(4);
  expect(rawDelivery(context).payload.subarray(-rest.length)).toEqual(rest);
});

test.each([
  ['a batch that is no AMQP', 0x80_01_37_00, Buffer.from('not AMQP at all')],
  ['a batch of an event that is cut short', 0x80_01_37_00, Buffer.from('005375a00400537572', 'hex')],
  ['a plain message that nests without end', 0, Buffer.alloc(200_000)],
])('%s is refused and not stored, and the link goes on', async (_case, format, payload) => {
  const { port } = await openHub();
  const sender = (await connectRaw(port)).open_sender('gateway-logs/Partitions/0');
  await once(sender, 'sendable');
  sender.send(payload, 'bad', format);
  const [{ delivery }] = (await once(sender, 'rejected')) as [EventContext];
  sender.send({ body: 'good' });
  await once(sender, 'accepted');

  expect(delivery?.remote_state?.['error']).toMatchObject({ condition: 'amqp:decode-error' });
});

test('events with one partition key are in one partition, in order, and keep the key', async () => {
  const { connectionString } = await openHub();
  const producer = openProducer(connectionString);
  for (const number of range(6)) await producer.sendBatch([event(`${number}`)], { partitionKey: 'tenant-1' });

  const counts = await Promise.all(['0', '1'].map((id) => producer.getPartitionProperties(id)));
  const full = counts.find(({ isEmpty }) => !isEmpty);
  const events = await receive(connectionString, 6, { partition: full?.partitionId ?? '' });

  expect(counts.filter(({ isEmpty }) => isEmpty)).toHaveLength(1);
  expect(events.map(({ body }) => String(body))).toEqual(['0', '1', '2', '3', '4', '5']);
  expect(new Set(events.map(({ partitionKey }) => partitionKey))).toEqual(new Set(['tenant-1']));
});

test('events without a key reach every partition', async () => {
  const { connectionString } = await openHub(undefined, 3);
  const producer = openProducer(connectionString);
  for (const number of range(3)) await producer.sendBatch([event(`${number}`)]);

  const states = await Promise.all(['0', '1', '2'].map((id) => producer.getPartitionProperties(id)));

  expect(states.map(({ lastEnqueuedSequenceNumber }) => lastEnqueuedSequenceNumber)).toEqual([0, 0, 0]);
});

test('a megabyte is stored to the byte, as one event and as a batch of many', async () => {
  const { connectionString } = await openHub();
  const producer = openProducer(connectionString);
  const large = randomBytes(1_048_000);
  await producer.sendBatch([{ body: large }], inFirst);
  const batch = await producer.createBatch(inFirst);
  const small = randomBytes(700);
  while (batch.tryAdd({ body: small }));
  await producer.sendBatch(batch);

  const events = await receive(connectionString, 1 + batch.count);

  expect(batch.maxSizeInBytes).toBe(1_048_576);
  expect(batch.count).toBeGreaterThan(1_400);
  expect(large.equals(events[0]?.body as Buffer)).toBe(true);
  expect(events.slice(1).every(({ body }) => small.equals(body as Buffer))).toBe(true);
});

test('more than a megabyte is refused by name, nothing of it is stored, and the producer goes on', async () => {
  const { connectionString } = await openHub();
  const producer = openProducer(connectionString);

  const failure = producer.sendBatch([{ body: Buffer.alloc(1_048_577) }], inFirst);
  await expect(failure).rejects.toMatchObject({ code: 'MessageTooLargeError', retryable: false });
  await producer.sendBatch([event('small')], inFirst);

  expect((await receive(connectionString, 1)).map(({ body }) => String(body))).toEqual(['small']);
});

test('each kind of position starts at the event that it names', async () => {
  const { connectionString } = await openHub();
  const producer = openProducer(connectionString);
  for (const number of range(3)) await producer.sendBatch([event(`${number}`)], inFirst);
  const middle = await producer.getPartitionProperties('0');
  const before = middle.lastEnqueuedOnUtc.getTime();
  while (Date.now() <= before) await new Promise(setImmediate);
  for (const number of range(3, 3)) await producer.sendBatch([event(`${number}`)], inFirst);
  const offset = middle.lastEnqueuedOffset;
  const from = (position: Parameters<typeof receive>[2], count: number) =>
    receive(connectionString, count, position).then(sequencesOf);

  expect(await from({ from: { sequenceNumber: 2 } }, 3)).toEqual([3, 4, 5]);
  expect(await from({ from: { sequenceNumber: 2, isInclusive: true } }, 4)).toEqual([2, 3, 4, 5]);
  expect(await from({ from: { offset } }, 3)).toEqual([3, 4, 5]);
  expect(await from({ from: { offset, isInclusive: true } }, 4)).toEqual([2, 3, 4, 5]);
  expect(await from({ from: { enqueuedOn: before } }, 3)).toEqual([3, 4, 5]);
  expect(await from({ from: { enqueuedOn: new Date(0) } }, 6)).toEqual(range(6));
  expect(await from({}, 6)).toEqual(range(6));
});

test('a consumer at the latest position gets what comes after it and nothing before', async () => {
  const hub = await openHub();
  const producer = openProducer(hub.connectionString);
  await producer.sendBatch([event('before')], inFirst);
  const subscriber = subscribe(hub.connectionString, { from: latestEventPosition });
  // The service gives no sign that a receiver is attached, so events are sent until the first one comes.
  let sent = 0;
  while (subscriber.events.length === 0) {
    await producer.sendBatch([event(`after ${sent}`)], inFirst);
    sent += 1;
  }
  const events = await subscriber.until(({ length }) => length > 0);

  expect(String(events[0]?.body)).toMatch(/^after/u);
  expect(sequencesOf(events)).toEqual(range(events.length, events[0]?.sequenceNumber));
});

test('a sequence number beyond the end is refused in the words of the service, as after a recreated hub', async () => {
  const { connectionString } = await openHub();
  await openProducer(connectionString).sendBatch([event('only')], inFirst);

  const beyond = await subscribe(connectionString, { from: { sequenceNumber: 7 } }).failed;
  const onEmpty = await subscribe(connectionString, { partition: '1', from: { sequenceNumber: 0 } }).failed;

  expect(beyond.message).toBe(
    "The supplied sequence number '7' is invalid. The last sequence number in the system is '0'",
  );
  expect(beyond.code).toBe('ArgumentError');
  expect(onEmpty.message).toContain("The last sequence number in the system is '-1'");
});

test('the properties of a partition name its first and last event, and an empty one says so', async () => {
  const { connectionString } = await openHub();
  const producer = openProducer(connectionString);
  await producer.sendBatch([event('a'), event('b')], inFirst);
  const last = (await receive(connectionString, 2))[1];

  expect(await producer.getPartitionIds()).toEqual(['0', '1']);
  expect(await producer.getPartitionProperties('0')).toEqual({
    eventHubName: 'gateway-logs',
    partitionId: '0',
    isEmpty: false,
    beginningSequenceNumber: 0,
    lastEnqueuedSequenceNumber: 1,
    lastEnqueuedOffset: last?.offset,
    lastEnqueuedOnUtc: last?.enqueuedTimeUtc,
  });
  expect(await producer.getPartitionProperties('1')).toMatchObject({ isEmpty: true, lastEnqueuedSequenceNumber: -1 });
  await expect(producer.getPartitionProperties('2')).rejects.toMatchObject({ code: 'MessagingEntityNotFoundError' });
});

test('a consumer that tracks the partition is told its last event, which is how lag is measured', async () => {
  const hub = await openHub();
  const producer = openProducer(hub.connectionString);
  await producer.sendBatch([event('a'), event('b'), event('c')], inFirst);
  const subscriber = subscribe(hub.connectionString, { trackLastEnqueuedEventProperties: true, maxBatchSize: 1 });
  await subscriber.until(({ length }) => length >= 1);

  const { lastEnqueuedOffset, lastEnqueuedOnUtc } = await producer.getPartitionProperties('0');
  expect(subscriber.lastEnqueued()).toMatchObject({
    sequenceNumber: 2,
    offset: lastEnqueuedOffset,
    enqueuedOn: lastEnqueuedOnUtc,
  });
});

test('while deliveries are paused a consumer gets nothing, and after it everything', async () => {
  const hub = await openHub();
  const producer = openProducer(hub.connectionString);
  const subscriber = subscribe(hub.connectionString);
  await producer.sendBatch([event('first')], inFirst);
  await subscriber.until(({ length }) => length === 1);

  hub.pauseDeliveries();
  await producer.sendBatch([event('second')], inFirst);
  await receiveNothingFor(producer);
  expect(subscriber.events).toHaveLength(1);
  hub.resumeDeliveries();

  expect(sequencesOf(await subscriber.until(({ length }) => length === 2))).toEqual([0, 1]);
});

/** Several round trips to the hub and back, in which a delivery would have arrived. */
async function receiveNothingFor(producer: ReturnType<typeof openProducer>): Promise<void> {
  for (let trips = 0; trips < 20; trips += 1) await producer.getPartitionProperties('0');
}
