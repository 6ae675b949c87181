import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { messageOf } from '#common/error.ts';
import { parseMatcher, type Matcher } from '#common/matcher.ts';
import { alertmanager } from './channels/alertmanager.ts';
import { email } from './channels/email.ts';
import { opsgenie } from './channels/opsgenie.ts';
import { pagerduty } from './channels/pagerduty.ts';
import { slack } from './channels/slack.ts';
import { teams } from './channels/teams.ts';
import { webhook } from './channels/webhook.ts';
import { parseNetwork } from './outgoing.ts';

const name = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be lower case letters, digits, - and _');
const shared = { name, fallback: name.optional().describe('Told instead when this one does not take it') };

/** One schema per channel, so that a problem is told in the words of the channel. */
const receiver = z.discriminatedUnion('channel', [
  z.strictObject({ channel: z.literal('alertmanager'), ...shared, ...alertmanager.settings }),
  z.strictObject({ channel: z.literal('pagerduty'), ...shared, ...pagerduty.settings }),
  z.strictObject({ channel: z.literal('slack'), ...shared, ...slack.settings }),
  z.strictObject({ channel: z.literal('teams'), ...shared, ...teams.settings }),
  z.strictObject({ channel: z.literal('opsgenie'), ...shared, ...opsgenie.settings }),
  z.strictObject({ channel: z.literal('webhook'), ...shared, ...webhook.settings }),
  z.strictObject({ channel: z.literal('email'), ...shared, ...email.settings }),
]);

export type Receiver = z.output<typeof receiver>;

const matcher = z.string().superRefine((text, context) => {
  const parsed = parseMatcher(text);
  if (parsed.kind === 'refused') context.addIssue({ code: 'custom', message: parsed.reason });
});

const file = z.strictObject({
  receivers: z.array(receiver).default([]),
  routes: z
    .array(
      z.strictObject({
        match: z.array(matcher).default([]),
        receivers: z.array(name).min(1),
        continue: z.boolean().default(false),
      }),
    )
    .default([]),
  silences: z
    .array(
      z.strictObject({
        match: z.array(matcher).min(1),
        from: z.iso.datetime({ offset: true }),
        to: z.iso.datetime({ offset: true }),
        comment: z.string().min(1),
      }),
    )
    .default([]),
  watchdog: z
    .array(z.strictObject({ receiver: name, every_seconds: z.number().int().min(10).default(60) }))
    .default([]),
  private_addresses: z
    .array(z.string().refine((text) => parseNetwork(text) !== null, 'is no address and no network such as 10.0.0.0/8'))
    .default([]),
});

export type Route = {
  readonly matchers: readonly Matcher[];
  readonly receivers: readonly string[];
  readonly goesOn: boolean;
};

export type Silence = {
  readonly id: string;
  readonly matchers: readonly Matcher[];
  readonly from: number;
  readonly to: number;
};

/** What the file says. `routes` are in its order. */
export type Delivery = {
  readonly receivers: ReadonlyMap<string, Receiver>;
  readonly routes: readonly Route[];
  readonly silences: readonly Silence[];
  readonly watchdog: readonly { readonly receiver: string; readonly every_seconds: number }[];
  readonly private_addresses: readonly string[];
};

/** Without a file nobody is told of anything; alerts are still evaluated, kept and answered for. */
export const nobody: Delivery = {
  receivers: new Map(),
  routes: [],
  silences: [],
  watchdog: [],
  private_addresses: [],
};

export type ReadDelivery =
  | { readonly kind: 'delivery'; readonly delivery: Delivery }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

/**
 * Reads YAML, of which JSON is a part. `${NAME}` in a text is replaced by that environment variable, so that secrets need
 * not be in the file. All problems at once, each with its place; values are never repeated, because some are secrets.
 */
export function readDelivery(text: string, environment: Readonly<Record<string, string | undefined>>): ReadDelivery {
  let written: unknown;
  try {
    written = parseYaml(text) ?? {};
  } catch (error) {
    return { kind: 'problems', problems: [`is not YAML: ${messageOf(error).split('\n')[0] ?? ''}`] };
  }
  const unset = new Set<string>();
  const read = file.safeParse(substituted(written, environment, unset));
  const missing = [...unset].map((variable) => `the environment variable ${variable} is not set`);
  if (!read.success) {
    return { kind: 'problems', problems: [...missing, ...read.error.issues.map(placed)] };
  }
  const problems = [...missing, ...inconsistencies(read.data)];
  return problems.length > 0 ? { kind: 'problems', problems } : { kind: 'delivery', delivery: delivery(read.data) };
}

function placed(issue: z.core.$ZodIssue): string {
  const where = issue.path.map(String).join('.');
  return `${where === '' ? 'the file' : where}: ${issue.message}`;
}

type Read = z.output<typeof file>;

/** What is wrong between the parts. */
function inconsistencies(read: Read): string[] {
  const problems: string[] = [];
  const byName = new Map(read.receivers.map((one) => [one.name, one]));
  for (const [index, one] of read.receivers.entries()) {
    if (read.receivers.findIndex((other) => other.name === one.name) !== index)
      problems.push(`receivers.${index}.name: ${one.name} is there twice`);
    if (one.fallback !== undefined && !byName.has(one.fallback))
      problems.push(`receivers.${index}.fallback: there is no receiver ${one.fallback}`);
    if (fallsBackOnItself(one, byName)) problems.push(`receivers.${index}.fallback: leads back to ${one.name}`);
  }
  for (const [index, route] of read.routes.entries()) {
    for (const wanted of route.receivers)
      if (!byName.has(wanted)) problems.push(`routes.${index}.receivers: there is no receiver ${wanted}`);
  }
  for (const [index, { from, to }] of read.silences.entries())
    if (Date.parse(to) <= Date.parse(from)) problems.push(`silences.${index}.to: is not after from`);
  for (const [index, { receiver: wanted }] of read.watchdog.entries()) {
    const channel = byName.get(wanted)?.channel;
    if (channel !== 'webhook' && channel !== 'alertmanager')
      problems.push(`watchdog.${index}.receiver: must be a receiver of the channel webhook or alertmanager`);
  }
  return problems;
}

function fallsBackOnItself(from: Receiver, byName: ReadonlyMap<string, Receiver>): boolean {
  let next = from.fallback;
  for (let steps = 0; next !== undefined && steps <= byName.size; steps++) {
    if (next === from.name) return true;
    next = byName.get(next)?.fallback;
  }
  return false;
}

function delivery(read: Read): Delivery {
  return {
    receivers: new Map(read.receivers.map((one) => [one.name, one])),
    routes: read.routes.map((route) => ({
      matchers: matchersOf(route.match),
      receivers: route.receivers,
      goesOn: route.continue,
    })),
    silences: read.silences.map((one, index) => ({
      id: `file/${index}`,
      matchers: matchersOf(one.match),
      from: Date.parse(one.from),
      to: Date.parse(one.to),
    })),
    watchdog: read.watchdog,
    private_addresses: read.private_addresses,
  };
}

/** Of texts that were accepted before; one that is not any more matches nothing. */
export function matchersOf(texts: readonly string[]): Matcher[] {
  return texts.map((text) => {
    const parsed = parseMatcher(text);
    return parsed.kind === 'matcher' ? parsed.matcher : { label: '', matches: () => false };
  });
}

function substituted(
  value: unknown,
  environment: Readonly<Record<string, string | undefined>>,
  unset: Set<string>,
): unknown {
  if (typeof value === 'string') {
    return value.replaceAll(/\$\{([A-Z_][A-Z0-9_]*)\}/g, (_whole, variable: string) => {
      const found = environment[variable];
      if (found === undefined) unset.add(variable);
      return found ?? '';
    });
  }
  if (Array.isArray(value)) return value.map((one) => substituted(one, environment, unset));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, substituted(one, environment, unset)]));
}
