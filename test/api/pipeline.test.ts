import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { App } from '../../api/route.ts';
import { gaps } from '#clickhouse/tables.ts';
import { holes, positions } from '#clickhouse/ledger.ts';
import { pipeline } from '#clickhouse/views.ts';
import { ask, type CallRecord, type Ledger, openLedger } from './ledger.ts';

const start = Date.UTC(2026, 5, 1, 10);
const now = new Date(start + 3_600_000);

type PipelineAnswer = {
  data: Record<string, string | boolean>[];
  meta: { received: string; records: string; duplicates: string; balanced: boolean };
};

let ledger: Ledger;
let app: App;
let key: string;

beforeAll(async () => {
  ledger = await openLedger();
  key = await ledger.key({ role: 'on_call' });
  app = ledger.api(() => now);
});

afterAll(async () => ledger.close());

/** Messages of a stream that begin at a sequence number, each a call of its own. */
function records(stream: string, first: number, count: number): CallRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    call_id: `gw/${stream}-${first + i}`,
    started_at: start + i,
    sequence_number: first + i,
    record_hash: `${first + i}`,
  }));
}

/** The same records in messages that begin at another sequence number. */
function repeated(some: readonly CallRecord[], first: number): CallRecord[] {
  return some.map((record, i) => Object.assign({}, record, { sequence_number: first + i }));
}

/** A call without what tells how often it was delivered. */
function told({ records: _r, duplicates: _d, last_enqueued_at: _l, ...row }: Record<string, unknown>): unknown {
  return row;
}

async function gap(stream: string, first: number, last: number): Promise<void> {
  await ledger.db.insert(gaps, JSON.stringify([stream, first, last, 'retention']));
}

describe('messages that the hub lost', () => {
  const stream = 'test/lost/0';
  // Stored: 100 to 109 and 120 to 129.
  beforeAll(async () => {
    await ledger.store(records(stream, 100, 10), stream);
    await ledger.store(records(stream, 120, 10), stream);
  });
  beforeEach(async () => {
    await ledger.db.command('TRUNCATE TABLE gaps');
  });

  async function balance(): Promise<{ missing: number; lost: number; balanced: boolean; holes: number[][] }> {
    const row = (await ledger.db.read(pipeline, {})).find((row) => row.stream === stream);
    const position = (await ledger.db.read(positions, {})).find((row) => row.stream === stream);
    expect([position?.missing, position?.lost]).toEqual([row?.missing, row?.lost]);
    const open = await ledger.db.read(holes, { stream });
    return {
      missing: Number(row?.missing),
      lost: Number(row?.lost),
      balanced: row?.balanced === true,
      holes: open.map(({ first, last }) => [Number(first), Number(last)]),
    };
  }

  const cases: readonly [string, [number, number][], { missing: number; lost: number; holes: number[][] }][] = [
    ['nothing recorded: the hole is missing', [], { missing: 10, lost: 0, holes: [[110, 119]] }],
    ['the whole hole recorded: it is lost', [[110, 119]], { missing: 0, lost: 10, holes: [] }],
    ['before the first message: it hides nothing', [[0, 99]], { missing: 10, lost: 0, holes: [[110, 119]] }],
    ['after the last message: it hides nothing', [[130, 200]], { missing: 10, lost: 0, holes: [[110, 119]] }],
    [
      'before, within and after: only what lies within counts',
      [
        [90, 99],
        [110, 119],
        [130, 131],
      ],
      { missing: 0, lost: 10, holes: [] },
    ],
    ['a part of the hole: the rest is missing', [[110, 114]], { missing: 5, lost: 5, holes: [[110, 119]] }],
    [
      'two notices side by side: together they are the hole',
      [
        [110, 114],
        [115, 119],
      ],
      { missing: 0, lost: 10, holes: [] },
    ],
    [
      'two notices that overlap: no message is lost twice',
      [
        [110, 116],
        [113, 119],
      ],
      { missing: 0, lost: 10, holes: [] },
    ],
  ];

  test.each(cases)('%s', async (_, recorded, expected) => {
    await gap('test/other/0', 0, 1_000);
    for (const [first, last] of recorded) await gap(stream, first, last);
    expect(await balance()).toEqual({ ...expected, balanced: expected.missing === 0 });
  });
});

describe('records that were delivered twice', () => {
  const stream = 'test/twice/0';
  const other = 'test/twice/1';

  test('change no call, and are counted as duplicates', async () => {
    const once = records(stream, 0, 20);
    await ledger.store(once, stream);
    const before = await ask<PipelineAnswer>(app, key, '/v1/pipeline');
    expect(before.meta.duplicates).toBe('0');
    const path = `/v1/calls?from=${new Date(start).toISOString()}&limit=1000`;
    const calls = await ask(app, key, path);

    // Twice more: again by the same stream, and some by another.
    await ledger.store(repeated(once, 20), stream);
    await ledger.store(repeated(once.slice(0, 5), 0), other);
    const after = await ask<PipelineAnswer>(app, key, '/v1/pipeline');
    expect(after.meta.duplicates).toBe('25');
    expect(Number(after.meta.records)).toBe(Number(before.meta.records) + 25);
    const again = await ask(app, key, path);
    expect(again.data.map(told)).toEqual(calls.data.map(told));
    expect(again.data.reduce((sum, row) => sum + Number(row['duplicates']), 0)).toBe(25);
  });
});
