import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inactive, step, type Timing } from '../../alerts/state.ts';

/*
 * The oracle of `for` and `keep_firing_for` is Prometheus' own rule engine. promtool evaluates random series by rules of
 * random timing each minute; what it holds of `ALERTS` (which alerts exist, pending or firing) and of `ALERTS_FOR_STATE`
 * (since when) must be what our machine says, at every minute of every series.
 */
const seriesCount = 1_000;
const minutes = 60;
const minute = 60_000;
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
console.log(`promtool: seed ${seed}, ${seriesCount} series of ${minutes} minutes`);

type Case = { readonly timing: Timing; readonly signals: readonly boolean[] };

/** Runs of random length rather than single minutes, so that alerts fire, are kept and resolve. */
const signals = fc
  .array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 12 })), { minLength: 20, maxLength: 60 })
  .map((runs) => runs.flatMap(([value, length]) => Array.from({ length }, () => value)).slice(0, minutes))
  .map((known) => known.concat(Array.from({ length: minutes - known.length }, () => false)));
const seconds = fc.integer({ min: 0, max: 8 * 60 }).map((value) => value * 1_000);
const cases = fc.sample(fc.record({ timing: fc.record({ forMs: seconds, keepFiringForMs: seconds }), signals }), {
  seed,
  numRuns: seriesCount,
}) satisfies Case[];

/** Per minute the samples of both metrics, as promtool prints them. */
function expectations(): {
  alerts: Map<number, string[]>;
  since: Map<number, string[]>;
  fired: number;
  kept: number;
  resolved: number;
} {
  const alerts = new Map<number, string[]>();
  const since = new Map<number, string[]>();
  let fired = 0;
  let kept = 0;
  let resolved = 0;
  for (const [index, { timing, signals }] of cases.entries()) {
    let state = inactive;
    for (let now = 0; now < minutes; now++) {
      const next = step(state, signals[now] === true ? 'firing' : 'clear', now * minute, timing, null);
      state = next.state;
      fired += next.turns.filter((turn) => turn === 'firing').length;
      resolved += next.turns.filter((turn) => turn === 'resolved').length;
      if (state.keepFiringSince !== null) kept += 1;
      if (state.status === 'inactive') continue;
      const labels = `alertname="a${index}"`;
      add(alerts, now, `          - { labels: 'ALERTS{${labels},alertstate="${state.status}"}', value: 1 }`);
      add(since, now, `          - { labels: 'ALERTS_FOR_STATE{${labels}}', value: ${(state.activeAt ?? 0) / 1_000} }`);
    }
  }
  return { alerts, since, fired, kept, resolved };
}

function add(map: Map<number, string[]>, key: number, line: string): void {
  map.set(key, [...(map.get(key) ?? []), line]);
}

/** The questions of one metric, one per minute. */
function asked(expr: string, samples: ReadonlyMap<number, string[]>): string[] {
  return Array.from({ length: minutes }, (_, now) => {
    const expected = samples.get(now);
    const list = expected === undefined ? ' []' : `\n${expected.join('\n')}`;
    return `      - expr: ${expr}\n        eval_time: ${now}m\n        exp_samples:${list}`;
  });
}

function testFile(alerts: ReadonlyMap<number, string[]>, since: ReadonlyMap<number, string[]>): string {
  const series = cases.map(
    ({ signals }, index) => `      - { series: 's{i="${index}"}', values: '${signals.map(Number).join(' ')}' }`,
  );
  return `rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
${series.join('\n')}
    promql_expr_test:
${[...asked('ALERTS', alerts), ...asked('ALERTS_FOR_STATE', since)].join('\n')}
`;
}

function rules(): string {
  const each = cases.map(
    ({ timing }, index) =>
      `      - { alert: a${index}, expr: 'sum(s{i="${index}"}) > 0', for: ${timing.forMs / 1_000}s, keep_firing_for: ${timing.keepFiringForMs / 1_000}s }`,
  );
  return `groups:\n  - name: all\n    rules:\n${each.join('\n')}\n`;
}

async function promtool(directory: string, text: string): Promise<{ code: number; output: string }> {
  await writeFile(join(directory, 'tests.yml'), text);
  try {
    const { stdout, stderr } = await promisify(execFile)('promtool', ['test', 'rules', 'tests.yml'], {
      cwd: directory,
      maxBuffer: 256 * 2 ** 20,
    });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const failed = error as { code?: number | string; stdout?: string; stderr?: string };
    if (typeof failed.code !== 'number') throw error;
    return { code: failed.code, output: `${failed.stdout}${failed.stderr}` };
  }
}

test('1,000 random series: state and beginning of every alert at every minute are those of Prometheus', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gatemeter-promtool-'));
  try {
    await writeFile(join(directory, 'rules.yml'), rules());
    const { alerts, since, fired, kept, resolved } = expectations();
    // Something must have happened for the comparison to mean anything.
    expect(fired).toBeGreaterThan(1_000);
    expect(resolved).toBeGreaterThan(1_000);
    expect(kept).toBeGreaterThan(1_000);
    const answer = await promtool(directory, testFile(alerts, since));
    expect(answer.output.slice(0, 4_000)).toMatch(/SUCCESS/);
    expect(answer.code).toBe(0);
    const compared = [...alerts.values(), ...since.values()].reduce((sum, lines) => sum + lines.length, 0);
    console.log(
      `promtool: 0 differences in ${compared} states; ${fired} fired, ${resolved} resolved, ${kept} minutes kept`,
    );
    // The comparison can fail: one alert that is said to pend a minute longer is found.
    const wrong = new Map(alerts);
    const [at, lines] = [...alerts].find(([, lines]) => lines.some((line) => line.includes('"firing"'))) ?? [0, []];
    wrong.set(
      at,
      lines.map((line) => line.replace('"firing"', '"pending"')),
    );
    expect((await promtool(directory, testFile(wrong, since))).code).toBe(1);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
