import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { outdated } from '../../dashboards/main.ts';
import { type Ledger, openLedger } from '../api/ledger.ts';
import { columnsOf, expectAnswer, expectDescribed, expectLaidOut, read, type Row } from './dashboard.ts';
import { expand, type Chosen } from './expand.ts';

const minute = 60_000;
const hour = 60 * minute;
const from = Date.UTC(2026, 9, 1);
const to = from + 36 * hour;

const board = read('usage-and-spend');
const { text, questions, variables, all } = board;
const everything: Chosen = { from, to, intervalMs: 20 * minute, variables: all };

let ledger: Ledger;

async function answer(sql: string, chosen: Chosen = everything, settings = ''): Promise<Row[]> {
  return ledger.db.query<Row>(`${expand(sql, chosen)} ${settings}`);
}

/** The rows of a panel's query, by the panel's title. */
async function answerOf(title: string, chosen: Chosen = everything, refId = 'A', settings = ''): Promise<Row[]> {
  const found = questions.find((it) => it.title === title)?.targets?.find((it) => it.refId === refId);
  if (found === undefined) throw new Error(`no query ${refId} of ${title}`);
  return answer(found.rawSql, chosen, settings);
}

/** What a variable offers. */
async function offered(name: string): Promise<unknown[]> {
  const rows = await answer(variables.find((it) => it.name === name)?.query ?? '');
  return rows.flatMap((row) => Object.values(row));
}

beforeAll(async () => {
  ledger = await openLedger();
  await ledger.attribute([
    { consumer_id: 'web', tenant_id: 'retail', valid_from: 0, valid_to: null },
    { consumer_id: 'batch', tenant_id: "O'Neil", valid_from: 0, valid_to: null },
  ]);
  const terms = { context_over_tokens: 0, valid_from: Date.UTC(2026, 0), valid_to: null };
  await ledger.price([
    { provider_name: 'p', model: 'm', token_kind: 'input', list_unit_price: '2.5', ...terms },
    { provider_name: 'p', model: 'm', token_kind: 'output', list_unit_price: '10', ...terms },
  ]);
  const call = {
    provider_name: 'p',
    response_model: 'm',
    deployment: 'd1',
    duration_ms: 900,
    time_to_first_token_ms: 100,
    usage_input_tokens: '1000000',
    usage_output_tokens: '11',
    http_response_status_code: 200,
  };
  await ledger.store([
    { ...call, call_id: 'gw/1', started_at: from, consumer_id: 'web' },
    { ...call, call_id: 'gw/2', started_at: from + 5 * hour, consumer_id: 'web', deployment: 'd2' },
    { ...call, call_id: 'gw/3', started_at: from + 25 * hour, consumer_id: 'batch', response_model: 'unknown' },
    { ...call, call_id: 'gw/4', started_at: from + 26 * hour, consumer_id: 'other', deployment: '' },
    {
      call_id: 'gw/5',
      started_at: from + 26 * hour,
      consumer_id: 'web',
      deployment: 'd1',
      duration_ms: 3,
      http_response_status_code: 429,
      error_type: 'RateLimitExceeded',
      usage_quality: 'missing',
    },
    { ...call, call_id: 'gw/6', started_at: to, consumer_id: 'web' },
  ]);
});

afterAll(async () => {
  await ledger.close();
});

test('the committed files are what the program writes', async () => {
  expect(await outdated()).toEqual([]);
});

describe('every query runs on the schema', () => {
  test.each(board.targets)('$title $refId', async (query) => expectAnswer(ledger.db, query, everything));

  test.each(variables.filter((it) => it.type === 'query'))('variable $name', async ({ query }) => {
    const answered = await columnsOf(ledger.db, query, everything);
    expect(answered.map(([, type]) => type)).toEqual(['String']);
  });
});

describe('the answers', () => {
  test('variables offer the values of the window', async () => {
    expect(await offered('tenant')).toEqual(["O'Neil", 'retail', 'unattributed']);
    expect(await offered('deployment')).toEqual(['', 'd1', 'd2']);
  });

  test('a call at the end of the window belongs to the next one', async () => {
    expect(await answerOf('Calls')).toEqual([{ calls: '5', total_tokens: '4000044' }]);
    const next = { ...everything, from: to, to: to + hour };
    expect(await answerOf('Calls', next)).toEqual([{ calls: '1', total_tokens: '1000011' }]);
  });

  test('money is exact, and what has no price is not in it', async () => {
    expect(await answerOf('List cost')).toEqual([{ list_cost: '7.50033' }]);
    const rows = await answerOf('List cost and coverage by tenant');
    const unpriced = rows.find((row) => row['tenant_id'] === "O'Neil");
    expect(unpriced).toMatchObject({ list_cost: null, priced_tokens: '0', unpriced_models: ['unknown'] });
  });

  test('a choice of tenants and deployments narrows every answer', async () => {
    const only = (tenant: string[], deployment: Chosen['variables'][string]): Chosen => ({
      ...everything,
      variables: { ...all, tenant, deployment },
    });
    const anyDeployment = all['deployment'] ?? '';
    expect(await answerOf('Calls', only(['retail'], anyDeployment))).toMatchObject([{ calls: '3' }]);
    expect(await answerOf('Calls', only(["O'Neil", 'unattributed'], anyDeployment))).toMatchObject([{ calls: '2' }]);
    expect(await answerOf('Calls', only(['retail'], ['d2']))).toMatchObject([{ calls: '1' }]);
    expect(await answerOf('Calls', only(['unattributed'], ['']))).toMatchObject([{ calls: '1' }]);
  });

  test('auto takes the step that fits the interval, and a chosen step stays', async () => {
    const times = async (intervalMs: number, step: string): Promise<unknown[]> => {
      const chosen = { ...everything, from: from + 5 * minute, intervalMs, variables: { ...all, step } };
      return (await answerOf('Tokens by kind', chosen)).map((row) => row['bucket']);
    };
    const hours = ['2026-10-01T05:00:00Z', '2026-10-02T01:00:00Z', '2026-10-02T02:00:00Z'];
    expect(await times(30_000, 'auto')).toEqual(hours);
    expect(await times(20 * minute, 'auto')).toEqual(hours);
    expect(await times(4 * hour, 'auto')).toEqual(['2026-10-01T00:00:00Z', '2026-10-02T00:00:00Z']);
    expect(await times(30_000, 'P1D')).toEqual(['2026-10-01T00:00:00Z', '2026-10-02T00:00:00Z']);
  });

  test('days are those of the chosen zone', async () => {
    const rows = await answerOf('List cost by tenant and day', {
      ...everything,
      variables: { ...all, tz: 'America/New_York', tenant: ['retail'] },
    });
    expect(rows.map((row) => [row['bucket'], row['list_cost']])).toEqual([
      ['2026-09-30T04:00:00Z', '2.50011'],
      ['2026-10-01T04:00:00Z', '2.50011'],
    ]);
  });

  test('a server in another time zone answers the same', async () => {
    const tokyo = await answerOf('Calls by tenant', everything, 'A', "SETTINGS session_timezone = 'Asia/Tokyo'");
    expect(tokyo).toEqual(await answerOf('Calls by tenant'));
  });

  test('latency has the metrics that its panels pick out', async () => {
    const metrics = new Set((await answerOf('Duration')).map((row) => row['metric']));
    const picked = [...text.matchAll(/"fieldName": "metric",[^}]*?"value": "(\w+)"/g)].map((match) => match[1]);
    expect(picked).toHaveLength(3);
    for (const metric of picked) expect(metrics).toContain(metric);
  });
});

describe('the dashboard', () => {
  test('each panel says what it shows, in which unit, and asks the data source of the variable', () => {
    expect(board.written).toMatchObject({ uid: 'gatemeter-usage-and-spend', title: 'Usage, spend and latency' });
    expectDescribed(board);
  });

  test('panels have ids of their own and do not overlap', () => expectLaidOut(board));

  test('the ClickHouse user may read all but the keys', async () => {
    const xml = await readFile(new URL('../../dashboards/clickhouse-user.xml', import.meta.url), 'utf8');
    const rows = await ledger.db.query<{ name: string }>(
      "SELECT name FROM system.tables WHERE database = currentDatabase() AND name NOT IN ('api_keys', 'api_key', 'schema_migrations')",
    );
    const granted = [...xml.matchAll(/GRANT SELECT ON gatemeter\.(\w+)</g)].map((match) => match[1] ?? '');
    expect(granted).toEqual(rows.map((row) => row.name).toSorted());
  });
});
