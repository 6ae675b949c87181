import type { Socket } from 'node:net';
import type { Connection, Delivery, EventContext, link as Link, Receiver, Sender, Session } from 'rhea';

/**
 * What the hub needs of rhea beyond its typings, in one place: they call most of this private, or `any`.
 */
type LinkInside = { credit: number; delivery_count: number; local: { attach: Record<string, unknown> } };
type SessionInside = { outgoing: { available(): number }; on_transfer(frame: TransferFrame): void };
type TransferFrame = { readonly performative: { message_format: number | null | undefined } };
type ConnectionInside = { readonly socket: Socket; _disconnected(): void };

/** Why a link or a message is refused; the conditions are those of the real service. */
export type Refusal = { readonly condition: string; readonly description: string };

/** A delivery from a producer or a request: the bytes of the sender, whatever their format. */
export type RawDelivery = { readonly payload: Buffer; readonly format: number; readonly delivery: Delivery };

/** The format under which rhea hands over a plain message undecoded. */
const RAW_FORMAT = 1;

/**
 * Makes a session hand over each message as the bytes that were sent. rhea decodes plain messages, and encoding them
 * again does not give the same bytes: it knows one kind of number.
 */
export function keepRaw(session: Session): void {
  const inside = session as unknown as SessionInside;
  const onTransfer = inside.on_transfer.bind(session);
  inside.on_transfer = (frame) => {
    if (frame.performative.message_format === 0) frame.performative.message_format = RAW_FORMAT;
    onTransfer(frame);
  };
}

/** The raw message of a `message` event of a session with `keepRaw`. */
export function rawDelivery(context: EventContext): RawDelivery {
  const { message, delivery } = context as unknown as { message: Buffer; delivery: Delivery };
  return { payload: message, format: delivery.format, delivery };
}

/** How many messages may be handed to rhea for a link now, when `sent` were handed over before. */
export function roomOf(sender: Sender, sent: number): number {
  const { credit, delivery_count: transferred } = sender as unknown as LinkInside;
  const waiting = sent - transferred;
  const { outgoing } = sender.session as unknown as SessionInside;
  return sender.is_open() ? Math.min(credit - waiting, outgoing.available()) : 0;
}

/** Accepts a link, and tells the other side which of its wishes are met. */
export function acceptLink(link: Link, capabilities: readonly string[]): void {
  if (capabilities.length > 0) (link as unknown as LinkInside).local.attach['offered_capabilities'] = [...capabilities];
}

/** Attaches a link without a source and detaches it with the reason, which is how AMQP refuses one. */
export function refuse(link: Link, refusal: Refusal): void {
  link.close({ ...refusal });
}

/** A link's wishes; one alone comes without a list. */
export function desiredOf(link: Link): readonly string[] {
  const desired = link.desired_capabilities as string | string[] | null | undefined;
  return Array.isArray(desired) ? desired : [desired ?? []].flat();
}

export function socketOf(link: Link): Socket {
  return (link.connection as unknown as ConnectionInside).socket;
}

/** Ends the timers of a connection whose socket is gone; rhea notices only an orderly end by itself. */
export function forgetConnection(connection: Connection): void {
  (connection as unknown as ConnectionInside)._disconnected();
}

/** The address that a link wants to read from or write to. */
export function addressOf(link: Sender | Receiver): string {
  const terminus = link.is_receiver() ? link.target : link.source;
  return (terminus as { address?: string } | null)?.address ?? '';
}
