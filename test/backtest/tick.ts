import type { Database } from '#clickhouse/client.ts';
import { argument, prepare } from '#clickhouse/detect.ts';
import { detectors } from '#clickhouse/detection.ts';
import { measurements } from '#clickhouse/detection_tables.ts';
import { quantile } from './score.ts';

const minute = 60_000;
const hour = 60 * minute;
const tenants = 20;
const deployments = 50;
const ticks = 10;
/** Series with a call in any one minute. */
const calling = 100;
// Past a full hour, so that no tick learns: that is once an hour, and measured with the weeks.
const begin = Date.UTC(2026, 8, 16, 12);
const first = begin + 30 * minute;

/** Milliseconds of one minute's evaluation of very many series: measuring the calls of five minutes, and all detectors. */
export async function tickCost(db: Database): Promise<string[]> {
  await fill(db);
  const measured: number[] = [];
  const asked: number[] = [];
  for (let tick = 0; tick <= ticks; tick += 1) {
    const at = first + tick * minute;
    const began = performance.now();
    await prepare(db, at);
    const prepared = performance.now();
    await Promise.all(detectors.map(async (view) => db.read(view, { at: argument(at) })));
    // The first also measures the half hour before.
    if (tick > 0) measured.push(prepared - began);
    if (tick > 0) asked.push(performance.now() - prepared);
  }
  const both = measured.map((ms, i) => ms + (asked[i] ?? 0));
  const cells = [measured, asked, both].map((all) => `${ms(all, 0.5)} / ${ms(all, 0.95)}`);
  return [
    `| ${tenants} tenants × ${deployments} deployments, a tenth of them called each minute, ms | measuring, median / p95 | asking | whole tick |`,
    '| --- | --- | --- | --- |',
    `| ${ticks} ticks | ${cells.join(' | ')} |`,
  ];
}

function ms(values: readonly number[], share: number): string {
  return quantile(values, share).toFixed(0);
}

async function fill(db: Database): Promise<void> {
  const count = tenants * deployments;
  const series = `concat('t', toString(intDiv(s, ${deployments}))) AS tenant_id, concat('d', toString(s % ${deployments})) AS deployment`;
  const consumer = `concat('c-t', toString(intDiv(s, ${deployments})))`;
  await db.command(
    `INSERT INTO attributions (consumer_id, tenant_id, valid_from, author, reason)
     SELECT concat('c-t', toString(number)), concat('t', toString(number)), '2026-01-01 00:00:00', 'test', 'test' FROM numbers(${tenants})`,
  );
  await db.command(
    `INSERT INTO baselines SELECT toDateTime('${argument(begin).slice(0, 19)}', 'UTC'), tenant_id, deployment, 'custom', '', 28, 1, [5., 5., 5.],
       [20., 40., 100., 20., 40., 100., 20., 40., 100.], arrayMap(x -> 5., range(9)), [1., 100., 0.001], 0.01, 0.01, 5, [0., 0.], [0.1, 0.1], now64(3)
     FROM (SELECT number AS s, ${series} FROM numbers(${count}))`,
  );
  await db.command(
    `INSERT INTO traffic_minutes
     SELECT toDateTime('${argument(begin - hour).slice(0, 19)}', 'UTC') + 60 * m, tenant_id, deployment, 'custom', '', 1, 0, 0, 0, 100, 0.001, 0, [], 0, 0, 1, 0.1, now64(3)
     FROM (SELECT intDiv(number, ${count}) AS m, number % ${count} AS s, ${series} FROM numbers(${count * 60}))`,
  );
  await db.command(
    `INSERT INTO calls (call_id, call_ids, version, completeness, gateway, source, started_at, consumer_id, provider_name, response_model, deployment, backend,
       http_response_status_code, duration_ms, usage_input_tokens, usage_output_tokens, usage_quality)
     SELECT concat('gw/', toString(n)), [concat('gw/', toString(n))], 1, 'complete', 'gw', 'test', fromUnixTimestamp64Milli(toInt64(${begin + 20 * minute} + intDiv(n * 60000, ${calling}))),
       ${consumer}, 'custom', 'm', deployment, 'b', 200, 900, 80, 20, 'exact'
     FROM (SELECT number AS n, number % ${count} AS s, ${series} FROM numbers(${calling * (ticks + 10)}))`,
  );
  const through = ['hours', 'minutes'].map((what) =>
    JSON.stringify([what, argument(what === 'hours' ? begin : first - 5 * minute)]),
  );
  await db.insert(measurements, through.join('\n'));
}
