import { metrics as api } from '@opentelemetry/api';
import type { Logger } from '#common/log.ts';

type Level = 'info' | 'warn' | 'error';

/** Everything that alerts has to say. WARN: nothing is lost. ERROR: something is lost, or a person is needed. */
const notices = {
  started: ['info', 'alerts are running'],
  elected: ['info', 'this evaluator is elected'],
  overtaken: ['warn', 'another evaluator has written the tick; this one waits'],
  evaluated: ['info', 'alerts were evaluated'],
  changed: ['info', 'an alert changed'],
  database_retry: ['warn', 'the database did not answer; the round is tried again'],
  unknown_rule: ['warn', 'a detector has a rule that is not in alert_rules; it never pages'],
  minutes_left_out: ['warn', 'the evaluator was away for longer than it makes up for; these minutes are not evaluated'],
  delivered: ['info', 'a notification was delivered'],
  delivery_failed: ['warn', 'a notification was not taken; it is tried again'],
  delivery_dead: ['error', 'a notification was given up; it can be replayed. Remedy: mend the receiver, then replay'],
  receiver_unknown: [
    'error',
    'a notification is for a receiver that is not in the file any more. Remedy: name it again',
  ],
  detector_failed: ['error', 'a detector failed; what it watches is held as it is, and what others find is told'],
  context_missing: ['warn', 'an alert is told without what explains it, because that could not be looked up'],
  repeat_failed: ['warn', 'Alertmanager was not reached; it is tried again in a minute'],
  watchdog_withheld: ['error', 'alerts are not evaluated, so that the watchdog is silent; see database_retry'],
  watchdog_failed: ['warn', 'the watchdog could not say that alerts are evaluated'],
} as const satisfies Record<string, readonly [Level, string]>;

/** Says a named event once in the log and once in its counter. */
export type Notify = (notice: keyof typeof notices, fields?: Readonly<Record<string, unknown>>) => void;

/** The one function in which a named event both logs and counts. Fields are never addresses or texts of receivers. */
export function notifier(log: Logger): Notify {
  const counter = api.getMeter('gatemeter.alerts').createCounter('gatemeter.alerts.notices', {
    description: 'named events, as the log has them',
  });
  return (notice, fields = {}) => {
    const [level, sentence] = notices[notice];
    log[level]({ event: notice, ...fields }, sentence);
    const { rule, receiver } = fields;
    counter.add(1, {
      event: notice,
      ...(typeof rule === 'string' ? { rule } : {}),
      ...(typeof receiver === 'string' ? { receiver } : {}),
    });
  };
}
