import type { Database } from '#clickhouse/client.ts';
import { argument, ask, lookBack, prepare } from '#clickhouse/detect.ts';
import { detectors } from '#clickhouse/detection.ts';
import { measurements } from '#clickhouse/detection_tables.ts';
import { quantile } from './score.ts';

const minute = 60_000;
const hour = 60 * minute;
const tenants = 1_000;
const deployments = 50;
const consumers = 5_000;
/** In each minute; of every fifth series one. That is 14.4 million a day. */
const calls = 10_000;
const ticks = 20;
const begin = Date.UTC(2026, 8, 16, 12);
const first = begin + 20 * minute;

/** Milliseconds of each tick: of measuring, of asking the detectors, of both; and of what is done after each fifth. */
type Step = 'measuring' | 'asking' | 'tick' | 'lookingBack';

export type TickTimes = Readonly<Record<Step, readonly number[]>>;

/**
 * Each minute's evaluation of very many series, with what four weeks have left: measuring what is new, then all
 * detectors; and what waits until the tick is told. No minute of these is a full hour, so none learns.
 */
export async function tickCost(db: Database, progress: (text: string) => void): Promise<TickTimes> {
  await fill(db);
  progress('filled');
  const took: Record<Step, number[]> = { measuring: [], asking: [], tick: [], lookingBack: [] };
  for (let i = 0; i <= ticks; i += 1) {
    const at = first + i * minute;
    const began = performance.now();
    await prepare(db, at);
    const prepared = performance.now();
    await Promise.all(detectors.map(async (view) => ask(db, view, at)));
    const ended = performance.now();
    await lookBack(db, at);
    // The first tick also measures the twenty minutes before.
    if (i === 0) continue;
    took.measuring.push(prepared - began);
    took.asking.push(ended - prepared);
    took.tick.push(ended - began);
    if (performance.now() - ended > 1) took.lookingBack.push(performance.now() - ended);
  }
  return took;
}

/** As lines of Markdown. */
export function tickTable(took: TickTimes): string[] {
  const cells = [took.measuring, took.asking, took.tick, took.lookingBack].map(
    (all) => `${ms(all, 0.5)} / ${ms(all, 0.95)}`,
  );
  return [
    `| ${tenants} tenants × ${deployments} deployments, ${calls} calls a minute, ms | measuring, median / p95 | asking | whole tick | looking back, after each fifth |`,
    '| --- | --- | --- | --- | --- |',
    `| ${ticks} ticks | ${cells.join(' | ')} |`,
  ];
}

function ms(values: readonly number[], share: number): string {
  return quantile(values, share).toFixed(0);
}

function wire(at: number): string {
  return argument(at).slice(0, 19);
}

async function fill(db: Database): Promise<void> {
  const count = tenants * deployments;
  const series = `concat('t', toString(intDiv(s, ${deployments}))) AS tenant_id, concat('d', toString(s % ${deployments})) AS deployment`;
  const all = `(SELECT number AS s, ${series} FROM numbers(${count}))`;
  await db.command(
    `INSERT INTO attributions (consumer_id, tenant_id, valid_from, author, reason)
     SELECT concat('c', toString(number)), concat('t', toString(number % ${tenants})), '2026-01-01 00:00:00', 'test', 'test' FROM numbers(${consumers})`,
  );
  await db.command(
    `INSERT INTO prices (provider_name, model, token_kind, list_unit_price, pricing_quantity, service_tier, pricing_currency, valid_from, author, reason)
     SELECT 'custom', 'm', arrayJoin(['input', 'output']), 10, 1000000, 'standard', 'USD', '2026-01-01 00:00:00', 'test', 'test'`,
  );
  await db.command(
    `INSERT INTO budgets (budget_id, name, filters, cost, amount, billing_currency, valid_from, author, reason)
     SELECT concat('b', toString(number)), '', map('tenant_id', [concat('t', toString(number))]), 'list_cost', 1000000, 'USD', '2026-01-01 00:00:00', 'test', 'test' FROM numbers(${tenants})`,
  );
  await db.command(
    `INSERT INTO baselines SELECT toDateTime('${wire(begin)}', 'UTC'), tenant_id, deployment, 'custom', '', 28, 1, 1, [1., 1., 1.],
       [20., 40., 100., 20., 40., 100., 20., 40., 100.], arrayMap(x -> 5., range(9)), [1., 100., 0.001], 0.01, 0.01, 5, [0., 0.], [0.1, 0.1], now64(3) FROM ${all}`,
  );
  await db.command(
    `INSERT INTO running_totals SELECT toDateTime('${wire(begin)}', 'UTC'), tenant_id, deployment, 60, 0, 864, 1, 0.06, 9, now64(3) FROM ${all}`,
  );
  await db.command(
    `INSERT INTO traffic_minutes
     SELECT toDateTime('${wire(begin - hour)}', 'UTC') + 60 * m, tenant_id, deployment, 'custom', '', 1, 0, 0, 0, 100, 0.001, 0, [], 0, 0, 1, 0.1, now64(3)
     FROM (SELECT intDiv(number, ${calls}) AS m, (number % ${calls}) * 5 + m % 5 AS s, ${series} FROM numbers(${calls * 60}))`,
  );
  await db.command(
    `INSERT INTO consumer_habits SELECT toDateTime('${wire(begin)}', 'UTC'), concat('c', toString(number)), toDateTime('2026-08-20 00:00:00', 'UTC'), 600, 20, 2000,
       arrayMap(i -> concat('10.', toString(number % 200), '.', toString(i), '.0/24'), range(20)), ['m'], now64(3) FROM numbers(${consumers})`,
  );
  await db.command(
    `INSERT INTO calls (call_id, call_ids, version, completeness, gateway, source, started_at, consumer_id, provider_name, response_model, deployment, backend, client_network,
       http_response_status_code, duration_ms, usage_input_tokens, usage_output_tokens, usage_quality)
     SELECT concat('gw/', toString(n)), [concat('gw/', toString(n))], 1, 'complete', 'gw', 'test', fromUnixTimestamp64Milli(toInt64(${begin - hour} + intDiv(n * 60000, ${calls}))),
       concat('c', toString(c)), 'custom', 'm', concat('d', toString(n % ${deployments})), 'b', concat('10.', toString(c % 200), '.', toString(n % 20), '.0/24'), 200, 900, 80, 20, 'exact'
     FROM (SELECT number AS n, cityHash64(n) % ${consumers} AS c FROM numbers(${calls * (80 + ticks)}))`,
  );
  const through = ['hours', 'minutes', 'findings', 'late'].map((what) =>
    JSON.stringify([what, argument(what === 'late' ? Date.now() : begin)]),
  );
  await db.insert(measurements, through.join('\n'));
}
