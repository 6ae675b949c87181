import type { Database } from '#clickhouse/client.ts';
import { attributions } from '#clickhouse/money.ts';
import { readTrace } from '../../local/trace.ts';
import { consumers, trafficMessages } from '../../local/traffic.ts';
import { settled } from '../support/stack-verify.ts';
import { Stack } from '../support/stack.ts';
import type { Row } from './must.ts';
import { tickThrough, type Turned } from './ticks.ts';

const minuteMs = 60_000;
/** Minutes of the trace, from its first call to its last. */
const traced = 59;

export type Replayed = {
  /** What was sent, and what the detectors have measured of it. */
  readonly calls: number;
  readonly measured: number;
  readonly ticks: number;
  /** Every turn of an alert while the trace was gone through, and while nothing came after it. */
  readonly turned: readonly Turned[];
  /** The same an hour after the last message. */
  readonly late: readonly Turned[];
};

/** Who pays for calls that a consumer makes, from ever on. */
export async function payersOf(
  db: Database,
  payers: readonly { consumer_id: string; tenant_id: string }[],
): Promise<void> {
  const lines = payers.map(({ consumer_id, tenant_id }) =>
    JSON.stringify([consumer_id, '', '', tenant_id, '', '', '2000-01-01 00:00:00.000', null, 'backtest', 'backtest']),
  );
  await db.insert(attributions, lines.join('\n'));
}

/**
 * The hour of real requests through hub, ingest and sealing, as `npm start` replays it, with all detectors asked every so
 * many minutes of it, and of as many minutes after it as are given. It has no incident.
 */
export async function replayed(seed: number, everyMinutes: number, afterMinutes: number): Promise<Replayed> {
  const stack = await Stack.start();
  try {
    await payersOf(stack.db, consumers);
    const trace = await readTrace();
    const ends = Math.floor(Date.now() / minuteMs) * minuteMs;
    stack.ingest({ messagesMax: 500 });
    await stack.send(trafficMessages(trace, { seed, endsAtMs: ends, partitionCount: stack.partitionCount }));
    await settled(stack);
    const sent = Math.ceil(Date.now() / minuteMs) * minuteMs;
    // The books are looked at by the clock, which stands while the hour is gone through, and goes on at its end.
    const instants = [];
    for (let minute = everyMinutes; minute <= traced + afterMinutes; minute += everyMinutes) {
      const after = minute - traced;
      instants.push({ ledger: ends + after * minuteMs, wall: after < 0 ? null : sent + after * minuteMs });
    }
    const turned = await tickThrough(stack.db, instants);
    const late = await tickThrough(stack.db, [{ ledger: null, wall: sent + 62 * minuteMs }]);
    const [measured] = await stack.db.query<{ calls: string }>('SELECT sum(calls) AS calls FROM traffic_minutes FINAL');
    return { calls: trace.length, measured: Number(measured?.calls), ticks: instants.length, turned, late };
  } finally {
    await stack.close();
  }
}

/** An alert on requests without an incident is a failure. */
export function replayedMust(run: Replayed): Row[] {
  const fired = run.turned.filter(({ turn }) => turn === 'firing').length;
  const what = 'alerts on an hour of real requests without an incident';
  const got = `${fired} in ${run.ticks} ticks over ${run.measured} of ${run.calls} calls`;
  return [{ what, limits: { must: 0, stretch: null }, sense: '≤', value: fired, got }];
}
