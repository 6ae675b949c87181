import type { Logger } from '#common/log.ts';
import type { IngestMetrics } from './metrics.ts';

type Level = 'info' | 'warn' | 'error';

/** Everything that ingest has to say. WARN: nothing is lost. ERROR: something is lost, or a person is needed. */
const notices = {
  started: ['info', 'ingest is running'],
  claimed: ['info', 'reading a partition'],
  released: ['info', 'a partition is no longer read'],
  database_retry: ['warn', 'the database is asked again'],
  database_refused: ['error', 'the database refuses what no retry mends; it is asked again until somebody mends it'],
  hub_retry: ['warn', 'the hub is asked again'],
  round_failed: ['warn', 'hub or database did not answer; the round is tried again'],
  sweep_failed: ['warn', 'the database did not answer; waiting calls are looked for again'],
  orphans: ['warn', 'calls without their gateway record are shown as unattributed'],
  intake_failed: ['warn', 'a request was not stored, and its sender was told so and must repeat it'],
  poll_failed: ['warn', 'metrics were not read; they are asked for again in a minute'],
  overtaken: ['warn', 'another owner had stored this batch'],
  burnt_token: [
    'warn',
    'an insert was acknowledged and left nothing, as after a crash of the database; it was repeated under a new token',
  ],
  reading_ended: ['warn', 'the hub ended the reading'],
  worker_failed: ['error', 'the partition is tried again'],
  hub_changed: ['warn', 'the hub was created anew; reading starts again'],
  hub_recreated: [
    'error',
    'the hub holds another message at our watermark, or none: it was recreated or failed over. Nothing more is read from this ' +
      'partition. Remedy: when the old messages are known to be gone, set EVENT_HUB_GENERATION one higher',
  ],
  sequence_gap: ['error', 'the hub left messages out; reading starts again from the watermark'],
  repair: ['warn', 'stored messages have a hole; it is read again'],
  messages_lost: [
    'error',
    'the hub no longer has messages that were not read. Remedy: longer retention, or a faster worker',
  ],
  duplicate_messages: ['error', 'messages are stored more than once; the balance of this stream is wrong'],
} as const satisfies Record<string, readonly [Level, string]>;

type Notice = keyof typeof notices;

/** Says a named event once in the log and once in its counter. `stream` is '' for what belongs to the whole worker. */
export type Notify = (notice: Notice, stream: string, fields?: Readonly<Record<string, unknown>>) => void;

/** The one function in which a named event both logs and counts. */
export function notifier(log: Logger, metrics: IngestMetrics): Notify {
  return (notice, stream, fields = {}) => {
    const [level, sentence] = notices[notice];
    log[level]({ event: notice, ...(stream === '' ? {} : { stream }), ...fields }, sentence);
    metrics.noticed(notice, stream);
  };
}
