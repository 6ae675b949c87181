import { unreachable } from '#common/assert.ts';
import { type Answer, judge, type Outgoing, type Verdict } from './channel.ts';
import { alertmanager, alertmanagerHeartbeat, alertmanagerRequest } from './channels/alertmanager.ts';
import { sendEmail } from './channels/email.ts';
import { opsgenie } from './channels/opsgenie.ts';
import { pagerduty } from './channels/pagerduty.ts';
import { slack } from './channels/slack.ts';
import { teams } from './channels/teams.ts';
import { webhook, webhookHeartbeat } from './channels/webhook.ts';
import type { Receiver } from './config.ts';
import type { Message } from './message.ts';
import { type Guard, send } from './outgoing.ts';

/** Alertmanager takes a batch in part when one alert of it is wrong, so that batches are small. */
const batchMax = 64;

/** Tells one receiver one thing. Never throws; what a channel has no word for counts as delivered. */
export async function post(receiver: Receiver, message: Message, now: Date, guard: Guard): Promise<Verdict> {
  if (receiver.channel === 'email') {
    const checked = await guard.check(receiver.host);
    if (checked.kind !== 'allowed') return judge(checked);
    return sendEmail(receiver, message, checked.addresses[0] ?? receiver.host);
  }
  const outgoing = requestOf(receiver, message, now);
  return outgoing === null ? { kind: 'delivered', status: null } : judge(await send(outgoing, guard));
}

function requestOf(receiver: Exclude<Receiver, { channel: 'email' }>, message: Message, now: Date): Outgoing | null {
  switch (receiver.channel) {
    case 'alertmanager':
      return alertmanager.request(receiver, message, now);
    case 'pagerduty':
      return pagerduty.request(receiver, message, now);
    case 'slack':
      return slack.request(receiver, message, now);
    case 'teams':
      return teams.request(receiver, message, now);
    case 'opsgenie':
      return opsgenie.request(receiver, message, now);
    case 'webhook':
      return webhook.request(receiver, message, now);
    default:
      return unreachable(receiver);
  }
}

/** Alertmanager keeps an alert alive only while it hears of it. */
export async function repeat(
  receiver: Receiver & { channel: 'alertmanager' },
  messages: readonly Message[],
  now: Date,
  guard: Guard,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let from = 0; from < messages.length; from += batchMax) {
    const outgoing = alertmanagerRequest(receiver, messages.slice(from, from + batchMax), now);
    if (outgoing === null) continue;
    const answer = await send(outgoing, guard);
    answers.push(answer);
    // The rest would wait for it as long, and is repeated in a minute.
    if (answer.kind !== 'answered') break;
  }
  return answers;
}

/** The dead man's switch: says that alerts were evaluated up to an instant. */
export async function heartbeat(
  receiver: Receiver,
  evaluatedAt: Date,
  since: Date,
  now: Date,
  guard: Guard,
): Promise<Answer> {
  if (receiver.channel === 'alertmanager')
    return send(alertmanagerHeartbeat(receiver, since.toISOString(), now), guard);
  if (receiver.channel === 'webhook')
    return send(webhookHeartbeat(receiver, `watchdog:${now.getTime()}`, now, evaluatedAt.toISOString()), guard);
  return { kind: 'refused', reason: 'channel_without_watchdog' };
}
