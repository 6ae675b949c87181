import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import rhea, { type Container, type EventContext, type link as Link } from 'rhea';
import { present } from '#common/assert.ts';
import type { Logger } from '#common/log.ts';
import { parseAddress } from './hub-address.ts';
import { addressOf, forgetConnection, keepRaw, refuse, type Refusal } from './hub-amqp.ts';
import { openConsumer } from './hub-consumers.ts';
import { MESSAGE_BYTES_MAX } from './hub-message.ts';
import { openProducer } from './hub-producers.ts';
import { Requests } from './hub-requests.ts';
import { openState, type HubState } from './hub-state.ts';

/** A running local hub. */
export type LocalHub = {
  readonly port: number;
  /** For the clients of @azure/event-hubs; the key is a placeholder, as any token is accepted. */
  readonly connectionString: string;
  /** Cuts the connections and waits for what is being written. */
  readonly close: () => Promise<void>;
  /** Forgets the messages of a partition before a sequence number, as retention does. */
  readonly trim: (partition: number, beforeSequenceNumber: number) => Promise<void>;
  /** A test hook: drops every connection without a word, as a broken network does. */
  readonly cutConnections: () => void;
  /** A test hook: consumers get nothing until `resumeDeliveries`; producers are served. */
  readonly pauseDeliveries: () => void;
  readonly resumeDeliveries: () => void;
};

export type HubOptions = {
  /** Holds this one hub; deleting it while the hub is down drops the hub. */
  readonly dataDirectory: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly hub: string;
  readonly partitionCount?: number;
  readonly log?: Logger;
};

/** Starts an Event Hub over AMQP 1.0 on the loopback interface. Rejects when the port or the directory is not usable. */
export async function startHub(options: HubOptions): Promise<LocalHub> {
  const { dataDirectory, hub, log } = options;
  const state = await openState({ dataDirectory, hub, log, partitionCount: options.partitionCount ?? 4 });
  const sockets = new Set<Socket>();
  const closePartitions = async (): Promise<void> => {
    await Promise.all(state.partitions.map((partition) => partition.close()));
  };
  let server: Server;
  try {
    server = await listen(containerOf(state), options.port, sockets);
  } catch (error) {
    await closePartitions();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  const cutConnections = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    connectionString: `Endpoint=sb://localhost:${port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;EntityPath=${hub}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      cutConnections();
      await closed;
      await closePartitions();
    },
    trim: (partition, before) => present(state.partitions[partition], 'a partition of this hub').trim(before),
    cutConnections,
    pauseDeliveries: () => {
      state.isPaused = true;
    },
    resumeDeliveries: () => {
      state.isPaused = false;
      for (const delivery of state.deliveries) delivery.pump();
    },
  };
}

async function listen(container: Container, port: number, sockets: Set<Socket>): Promise<Server> {
  const server = container.listen({
    host: '127.0.0.1',
    port,
    max_frame_size: 65_536,
    // The room for messages on their way to one consumer: small, because each may have a megabyte.
    session_buffer_size: { incoming: 2_048, outgoing: 256 },
    receiver_options: { credit_window: 0, autoaccept: false, max_message_size: MESSAGE_BYTES_MAX },
    // As the service does: what is sent to a consumer is settled, so no answer to each message is needed.
    sender_options: { snd_settle_mode: 1 },
  });
  server.on('connection', (socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await once(server, 'listening');
  return server;
}

function containerOf(state: HubState): Container {
  const container = rhea.create_container({ id: `local-hub-${state.name}` });
  offerMechanisms(container);
  const requests = new Requests(state);
  const endings = new Map<Link, () => void>();
  const end = (isEnded: (link: Link) => boolean): void => {
    for (const [link, ending] of endings) {
      if (!isEnded(link)) continue;
      endings.delete(link);
      ending();
    }
  };
  container.on('connection_open', ({ connection }: EventContext) => {
    const socket = connection['socket'] as Socket;
    socket.once('close', () => {
      end((link) => link.connection === connection);
      forgetConnection(connection);
    });
  });
  container.on('session_open', ({ session }: EventContext) => {
    if (session !== undefined) keepRaw(session);
  });
  container.on('session_close', ({ session }: EventContext) => end((link) => link.session === session));
  container.on('sender_close', ({ sender }: EventContext) => end((link) => link === sender));
  container.on('sender_open', ({ sender }: EventContext) => {
    if (sender === undefined) return;
    const address = parseAddress(addressOf(sender), state.name);
    if (address.kind === 'cbs' || address.kind === 'management') requests.openReplies(sender, address.kind);
    else if (address.kind === 'consumer') endings.set(sender, openConsumer(state, sender, address));
    else refuse(sender, notFound(addressOf(sender)));
  });
  container.on('receiver_open', ({ receiver }: EventContext) => {
    if (receiver === undefined) return;
    const address = parseAddress(addressOf(receiver), state.name);
    if (address.kind === 'cbs' || address.kind === 'management') requests.openRequests(receiver, address.kind);
    else if (address.kind === 'hub') openProducer(state, receiver, undefined);
    else if (address.kind === 'partition') openProducer(state, receiver, address.partition);
    else refuse(receiver, notFound(addressOf(receiver)));
  });
  logErrors(container, state.log);
  return container;
}

function notFound(address: string): Refusal {
  return { condition: 'amqp:not-found', description: `The messaging entity '${address}' could not be found.` };
}

/** The mechanisms of the service, in its order. With MSSBCBS and ANONYMOUS the token comes later, to `$cbs`. */
function offerMechanisms(container: Container): void {
  const mechanisms = container.sasl_server_mechanisms as {
    [mechanism: string]: unknown;
    enable_plain: (isKnown: () => boolean) => void;
    enable_anonymous: () => void;
  };
  mechanisms['MSSBCBS'] = () => new AnyClient();
  mechanisms.enable_plain(() => true);
  mechanisms.enable_anonymous();
}

/** A SASL mechanism that lets everyone in. */
class AnyClient {
  outcome: boolean | undefined;
  username = 'anonymous';
  start(): void {
    this.outcome = true;
  }
}

/** rhea throws what nobody listens to. A broken connection is no error of the hub: its client comes again. */
function logErrors(container: Container, log: Logger | undefined): void {
  for (const event of [
    'error',
    'protocol_error',
    'connection_error',
    'session_error',
    'sender_error',
    'receiver_error',
  ])
    container.on(event, (context: Error | EventContext) => {
      const error = context instanceof Error ? context : context.error;
      log?.warn({ event: `hub_${event}`, error: error?.message }, 'a client of the hub failed');
    });
  // Without a listener rhea writes to the console.
  container.on('disconnected', () => undefined);
}
