import rhea, { type Message, type Receiver, type Sender, type Session } from 'rhea';
import { rawDelivery } from './hub-amqp.ts';
import { partitionOf, type HubState } from './hub-state.ts';

const CREDIT = 100;

/** The parts of a request that the hub looks at. */
type Request = {
  readonly message_id?: string | number | Buffer;
  readonly application_properties?: Readonly<Record<string, unknown>>;
};
type Answer = {
  readonly status: number;
  readonly description: string;
  readonly body?: Readonly<Record<string, unknown>>;
};

/** The request-response nodes `$cbs` and `$management`: a pair of links in one session each. */
export class Requests {
  readonly #state: HubState;
  readonly #replies = new WeakMap<Session, Map<'cbs' | 'management', Sender>>();

  constructor(state: HubState) {
    this.#state = state;
  }

  /** Opens the link on which answers go. */
  openReplies(sender: Sender, node: 'cbs' | 'management'): void {
    const ofSession = this.#replies.get(sender.session) ?? new Map<'cbs' | 'management', Sender>();
    this.#replies.set(sender.session, ofSession.set(node, sender));
    sender.set_source({ address: sender.source.address });
  }

  /** Opens the link on which requests come. */
  openRequests(receiver: Receiver, node: 'cbs' | 'management'): void {
    receiver.set_target({ address: receiver.target.address });
    receiver.on('message', (context) => {
      const { payload, delivery } = rawDelivery(context);
      const request = rhea.message.decode(payload) as Request;
      delivery.accept();
      receiver.add_credit(1);
      const answer = node === 'cbs' ? ACCEPTED : read(this.#state, request.application_properties ?? {});
      this.#replies.get(receiver.session)?.get(node)?.send(encodeAnswer(request, answer));
    });
    receiver.add_credit(CREDIT);
  }
}

/** Any token is good: the hub is on the loopback interface and holds nothing secret. */
const ACCEPTED: Answer = { status: 202, description: 'Accepted' };

function encodeAnswer(request: Request, answer: Answer): Message {
  return {
    correlation_id: request.message_id ?? '',
    application_properties: {
      'status-code': rhea.types.wrap_int(answer.status),
      'status-description': answer.description,
    },
    body: answer.body ?? null,
  };
}

function read(state: HubState, asked: Readonly<Record<string, unknown>>): Answer {
  if (asked['operation'] !== 'READ') return { status: 501, description: 'Only READ is implemented.' };
  const name = String(asked['name']);
  if (name.toLowerCase() !== state.name.toLowerCase())
    return { status: 404, description: `The messaging entity '${name}' could not be found.` };
  if (asked['type'] === 'com.microsoft:eventhub') return { status: 200, description: 'OK', body: describeHub(state) };
  if (asked['type'] !== 'com.microsoft:partition')
    return { status: 400, description: 'An unknown type was asked for.' };
  return readPartition(state, String(asked['partition']));
}

function describeHub(state: HubState): Readonly<Record<string, unknown>> {
  return {
    name: state.name,
    type: 'com.microsoft:eventhub',
    created_at: state.createdAt,
    partition_count: rhea.types.wrap_int(state.partitions.length),
    partition_ids: state.partitions.map((_, id) => String(id)),
    georeplication_factor: rhea.types.wrap_int(1),
  };
}

function readPartition(state: HubState, id: string): Answer {
  const log = partitionOf(state, id);
  if (log === undefined) return { status: 404, description: `The messaging entity '${id}' could not be found.` };
  const body = {
    name: state.name,
    type: 'com.microsoft:partition',
    partition: id,
    begin_sequence_number: rhea.types.wrap_long(log.beginSequence),
    last_enqueued_sequence_number: rhea.types.wrap_long(log.last.sequence),
    last_enqueued_offset: String(log.last.position),
    last_enqueued_time_utc: new Date(log.last.enqueuedAt),
    is_partition_empty: log.isEmpty,
  };
  return { status: 200, description: 'OK', body };
}
