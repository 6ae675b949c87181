import { z } from 'zod';
import { comparedWith, type Message, shown } from './message.ts';

/** One HTTP request to a receiver. Its parts may be secrets: none of them is ever logged. */
export type Outgoing = {
  readonly method: 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** What becomes part of a header. A secret from a file often ends with a line break, which no header may have. */
export const headerValue = z.string().regex(/^[\x20-\x7e]+$/, 'has a character that no header may have, or is empty');

/** Where a receiver is posted to. */
export const address = z.url({ protocol: /^https?$/, error: 'is no address that begins with https:// or http://' });

/** What came back, or that nothing did. `reason` is a short word, never a text that could contain an address. */
export type Answer =
  | { readonly kind: 'answered'; readonly status: number; readonly retryAfterMs: number | null }
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** What an attempt to deliver came to. `retry` may succeed later, `dead` will not. */
export type Verdict =
  | { readonly kind: 'delivered'; readonly status: number | null }
  | { readonly kind: 'retry'; readonly status: number | null; readonly reason: string; readonly afterMs: number | null }
  | { readonly kind: 'dead'; readonly status: number | null; readonly reason: string };

/** A channel over HTTP: its settings, and how a message becomes a request. Pure; `now` is the instant of the attempt. */
export type Channel<S extends z.ZodRawShape> = {
  readonly name: string;
  readonly settings: S;
  /** Null where this channel has no word for it. */
  readonly request: (settings: z.output<z.ZodObject<S>>, message: Message, now: Date) => Outgoing | null;
};

export function channel<S extends z.ZodRawShape>(definition: Channel<S>): Channel<S> {
  return definition;
}

const retried = new Set([408, 425, 429]);

/** By status alone, as most receivers mean it. No redirect is followed: its target was not checked. */
export function judge(answer: Answer): Verdict {
  if (answer.kind === 'unreachable') return { kind: 'retry', status: null, reason: answer.reason, afterMs: null };
  if (answer.kind === 'refused') return { kind: 'dead', status: null, reason: answer.reason };
  const { status, retryAfterMs } = answer;
  if (status >= 200 && status < 300) return { kind: 'delivered', status };
  if (status >= 500 || retried.has(status)) return { kind: 'retry', status, reason: 'busy', afterMs: retryAfterMs };
  return { kind: 'dead', status, reason: status >= 300 && status < 400 ? 'redirect_not_followed' : 'refused' };
}

export function postJson(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Outgoing {
  return {
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  };
}

/** At most so many characters, the last of them an ellipsis where some are left out. */
export function cut(text: string, characters: number): string {
  if (text.length <= characters) return text;
  // Half of a pair would be a broken character.
  return `${text.slice(0, characters - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** The facts of a message as pairs, in the order in which on-call asks for them. */
export function factsOf(message: Message): readonly (readonly [name: string, value: string])[] {
  const facts: [string, string][] = [
    ['Since', message.started_at],
    ['Measured', `${shown(message.observed)} ${message.unit}`.trim()],
    [comparedWith(message.rule) === 'usual' ? 'Usual' : 'Allowed', shown(message.expected)],
    ['Cost per hour', message.cost_per_hour === null ? 'unknown' : `${message.cost_per_hour} USD`],
    ['Affected', message.affected.join(', ')],
    [
      'Mostly',
      message.contributors.map(({ what, share }) => `${what} (${Math.round(Math.min(1, share) * 100)} %)`).join(', '),
    ],
    ['Changed recently', message.recent_changes.join('; ')],
    ['Evidence', evidenceOf(message)],
    ['Confidence', `${Math.round(message.confidence * 100)} %`],
    ['Rule', `${message.rule} version ${message.version}`],
  ];
  return facts.filter(([, value]) => value !== '');
}

/** What the detector saw, in a line. */
export function evidenceOf({ evidence }: Message): string {
  return Object.entries(evidence)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('; ');
}
