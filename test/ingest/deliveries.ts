import { expect } from 'vitest';
import type { Database } from '#clickhouse/client.ts';
import { calls } from '#clickhouse/tables.ts';
import { present } from '#common/assert.ts';
import { merge, type Merged } from './merge.ts';
import { line, timedEvents, type CallRecord, type Placed } from './records.ts';

/** A record that waits to be delivered by some stream. */
export type Waiting = CallRecord & { readonly call_id: string; readonly stream: string };

/** What has been inserted into `events`, kept beside the database to be merged by hand. */
export class Delivered {
  readonly #db: Database;
  readonly #records: Placed[] = [];
  readonly #next = new Map<string, number>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** Inserts records in one batch, each at the end of its stream. Returns the range that each stream grew by. */
  async insert(records: readonly Waiting[], inserted_at: number): Promise<Range[]> {
    const before = new Map(records.map(({ stream }) => [stream, this.last(stream)]));
    const placed = records.map((record): Placed => {
      const sequence_number = this.last(record.stream) + 1;
      this.#next.set(record.stream, sequence_number + 1);
      return { ...record, sequence_number, inserted_at };
    });
    // One part per day and batch, as ingest inserts.
    for (const day of Map.groupBy(placed, ({ enqueued_at }) => Math.floor(enqueued_at / 86_400_000)).values())
      await this.#db.insert(timedEvents, day.map(line).join('\n'));
    this.#records.push(...placed);
    return [...before].map(([stream, after]) => ({ stream, after, through: this.last(stream) }));
  }

  /** The position of a stream's last message; -1 when it has none. */
  last(stream: string): number {
    return (this.#next.get(stream) ?? 0) - 1;
  }

  records(): Placed[] {
    return [...this.#records];
  }

  /** Every call as it must be shown, given which waiting calls a sweep has shown. */
  expected(isShown: (records: readonly Placed[]) => boolean = () => false): Map<string, Merged> {
    const merged = callsOf(this.#records).flatMap(({ records, apart }) => {
      const row = merge(records, apart || isShown(records));
      return row === null ? [] : [[String(row['call_id']), row] as const];
    });
    return new Map(merged);
  }
}

/** Records of a call; `apart` where links say that it is one with others, and that is refuted. */
type Call = { readonly records: readonly Placed[]; readonly apart: boolean };

type Pair = { readonly ends: readonly [string, string]; readonly own: string; readonly system: string };

/** The two ids of each pair that records state, and whose own id and system they are stated by. */
function pairsOf(records: readonly Placed[]): Pair[] {
  return records.flatMap(({ call_id: own, source, fields }) =>
    fields.linked_ids
      .filter((other) => other !== own)
      .map((other): Pair => ({ ends: [own, other], own, system: `${source.replace(/_.*/, '')}/${fields.gateway}` })),
  );
}

/** Whether some system has two own ids among what these pairs state. */
function contradict(pairs: readonly Pair[]): boolean {
  const bySystem = Map.groupBy(pairs, ({ system }) => system);
  return [...bySystem.values()].some((stated) => new Set(stated.map(({ own }) => own)).size > 1);
}

/**
 * Records by call: under one id, or under ids that any record states to be of one call. Nothing that is stated counts
 * of an id that is in pairs with more than eight others, or with two that one system has as its own. Ids that the rest
 * connects although one system has two of them are calls of their own.
 */
function callsOf(records: readonly Placed[]): Call[] {
  const pairs = pairsOf(records);
  const around = new Map<string, Pair[]>();
  for (const pair of pairs) for (const end of pair.ends) around.set(end, (around.get(end) ?? []).concat(pair));
  const isShared = (end: string): boolean => {
    const stated = around.get(end) ?? [];
    return new Set(stated.flatMap(({ ends }) => ends)).size > 9 || contradict(stated);
  };
  const shared = new Set([...around.keys()].filter(isShared));
  const heeded = pairs.filter(({ ends }) => !ends.some((end) => shared.has(end)));
  const ignored = new Set(pairs.filter(({ ends }) => ends.some((end) => shared.has(end))).flatMap(({ ends }) => ends));
  const byId = Map.groupBy(records, ({ call_id }) => call_id);
  const statedBy = Map.groupBy(heeded, ({ own }) => own);
  const ends = heeded.map((pair) => pair.ends);
  const calls = [...connected([...byId.keys()], ends)].flatMap((group): Call[] => {
    const refuted = contradict([...group].flatMap((id) => statedBy.get(id) ?? []));
    const apart = refuted || [...group].some((id) => ignored.has(id));
    const parts = refuted ? [...group].map((id) => [id]) : [[...group]];
    return parts.map((part) => ({ records: part.flatMap((id) => byId.get(id) ?? []), apart }));
  });
  return calls.filter((call) => call.records.length > 0);
}

/** Sets of ids that pairs connect; an id without a pair is a set of its own. */
function connected(ids: readonly string[], pairs: readonly (readonly [string, string])[]): Set<Set<string>> {
  const groups = new Map(ids.map((id) => [id, new Set([id])]));
  for (const pair of pairs) {
    const joined = pair.map((id) => groups.get(id) ?? new Set([id])).reduce((a, b) => a.union(b));
    for (const id of joined) groups.set(id, joined);
  }
  return new Set(groups.values());
}

export type Range = { readonly stream: string; readonly after: number; readonly through: number };

/** The live rows of `calls` by call, in the writing of `merge`. Two live rows of one call fail here. */
export async function shown(db: Database): Promise<Map<string, Merged>> {
  const rows = await db.query<Merged>('SELECT * EXCEPT (is_deleted, version) FROM calls FINAL');
  const found = new Map<string, Merged>();
  for (const row of rows) {
    const call_id = String(row['call_id']);
    expect(found.has(call_id), `${call_id} has two live rows`).toBe(false);
    const instants = ['started_at', 'last_enqueued_at'].map((name) => [
      name,
      String(row[name]).replace('T', ' ').replace('Z', ''),
    ]);
    found.set(call_id, { ...row, ...Object.fromEntries(instants) });
  }
  expect(Object.keys(calls.columns)).toContain('usage_disagrees');
  return found;
}

/** Compares the table with the merge by hand; a difference names the call and the records that it came from. */
export function expectEqual(found: Map<string, Merged>, expected: Map<string, Merged>, delivered: Delivered): void {
  const ids = new Set([...found.keys(), ...expected.keys()]);
  for (const call_id of ids) {
    const row = found.get(call_id);
    const wanted = expected.get(call_id);
    if (row !== undefined && wanted !== undefined && sameRow(row, wanted)) continue;
    const involved = new Set([row, wanted].flatMap((of) => (of?.['call_ids'] as string[] | undefined) ?? []));
    const records = delivered.records().filter((record) => involved.has(record.call_id));
    expect({ call_id, row }, JSON.stringify(records)).toEqual({ call_id, row: wanted });
  }
  expect(found.size).toBe(expected.size);
}

function sameRow(a: Merged, b: Merged): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length && names.every((name) => JSON.stringify(a[name]) === JSON.stringify(b[name]))
  );
}

/** All orders of a list. */
export function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item].concat(rest)));
}

/** A list in another order; `random` gives numbers in [0, 1). */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const list = [...items];
  for (let i = list.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    const moved = present(list[i], 'an index within the list');
    list[i] = present(list[j], 'an index within the list');
    list[j] = moved;
  }
  return list;
}

/** A record under the id by which one of several systems knows its call. */
export type Logged = CallRecord & { readonly call_id: string };

/**
 * The records of one call as up to four systems in a row log it, each under an id of its own. Some records state that a
 * neighbour's id means the same call: of the one side, of the other, of both, and sometimes of neither.
 */
export function chained(call: readonly CallRecord[], random: () => number): Logged[] {
  const systems = 1 + Math.floor(random() * Math.min(4, call.length));
  return call.map((record, index) => {
    const system = index % systems;
    const neighbours = [system - 1, system + 1].filter((other) => other >= 0 && other < systems && random() < 0.6);
    // What was dropped says nothing, as `rows.ts` stores it.
    const linked_ids = record.kind === 'dropped' ? [] : neighbours.map((other) => `s${other}/`);
    const source = `s${system}_${record.kind}`;
    return { ...record, source, call_id: `s${system}/`, fields: { ...record.fields, linked_ids } };
  });
}

/**
 * Records of several calls that clients gave ids of their own, some of them the same one: each of two systems knows two
 * of the calls, and a third one of them. What a record states may be of its call, of another, or of all calls.
 */
export function tangled(records: readonly CallRecord[], random: () => number, calls = 2): Logged[] {
  const drawn = (below: number): number => Math.floor(random() * below);
  return records.map((record) => {
    const system = drawn(3);
    const id = (of: number): string => `s${of}${of === 2 ? '' : drawn(calls)}/`;
    const client = (): string => `u${drawn(4) === 0 ? drawn(2) : 0}/`;
    const stated = [...(random() < 0.6 ? [client()] : []), ...(random() < 0.3 ? [id((system + 1) % 3)] : [])];
    const call_id = id(system);
    const linked_ids = record.kind === 'dropped' ? [] : [...new Set(stated)].filter((other) => other !== call_id);
    return { ...record, source: `s${system}_${record.kind}`, call_id, fields: { ...record.fields, linked_ids } };
  });
}

/** The record as one of call number `n`: every id that it has gets the number as its end. */
export function numbered<T extends Logged>(record: T, n: string): T {
  const linked_ids = record.fields.linked_ids.map((id) => `${id}${n}`);
  return { ...record, call_id: `${record.call_id}${n}`, fields: { ...record.fields, linked_ids } };
}
