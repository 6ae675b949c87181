import fc from 'fast-check';
import { expect, test } from 'vitest';
import { groupsOf, type Group, type Link } from '../../ingest/linking.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
console.log(`linking.test.ts runs with SEED=${seed}`);

/** What `links` has of a record with an id of its own that states another. */
function stated(system: string, own: string, other: string): Link[] {
  return [
    { id: own, linked_id: other, stated_by: own, system },
    { id: other, linked_id: own, stated_by: own, system },
  ];
}

/** Root and part of each id. */
function placed(rows: readonly Link[]): Record<string, [string, string]> {
  return Object.fromEntries([...groupsOf(rows)].map(([id, { root, part }]) => [id, [root, part]]));
}

test('ids that systems link are one part, whichever of them states it', () => {
  const rows = [...stated('apim', 'b', 'c'), ...stated('kong', 'c', 'd'), ...stated('apim', 'x', 'y')];
  expect(placed(rows)).toEqual({ b: ['b', 'b'], c: ['b', 'b'], d: ['b', 'b'], x: ['x', 'x'], y: ['x', 'x'] });
});

test('an id that one system links two of its calls with links nothing, and what links each of these calls beside it holds', () => {
  const client = ['a', 'b', 'k', 'l'].flatMap((own) => stated(own < 'k' ? 'apim' : 'kong', own, 'u'));
  const rows = [...client, ...stated('apim', 'a', 'k'), ...stated('apim', 'b', 'l')];
  const group = 'split a';
  expect(placed(rows)).toEqual({
    a: [group, 'a'],
    k: [group, 'a'],
    b: [group, 'b'],
    l: [group, 'b'],
    u: [group, 'u'],
  });
});

test('where no single link is refuted but a system has two own ids among linked ones, every id is a call', () => {
  const rows = [...stated('kong', 'k', 'u'), ...stated('kong', 'k', 'v'), ...stated('apim', 'a', 'u')];
  expect(new Set([...groupsOf(rows).values()].map(({ part }) => part))).toEqual(new Set(['a']));
  const group = 'split a';
  expect(placed([...rows, ...stated('apim', 'b', 'v')])).toEqual(
    Object.fromEntries(['a', 'b', 'k', 'u', 'v'].map((each) => [each, [group, each]])),
  );
});

test('eight calls of eight systems may share an id, a ninth refutes it; links beside it still hold', () => {
  const eight = Array.from({ length: 8 }, (_, n) => stated(`s${n}`, `c${n}`, 'u')).flat();
  expect(new Set([...groupsOf(eight).values()].map(({ part }) => part))).toEqual(new Set(['c0']));
  const nine = [...eight, ...stated('s8', 'c8', 'u'), ...stated('t', 'k', 'c8')];
  const parts = Object.entries(placed(nine)).map(([id, [root, part]]) => [id, root, part]);
  for (const [id, root, part] of parts) {
    expect(root).toBe('split c0');
    expect(part).toBe(id === 'k' ? 'c8' : id);
  }
  expect(parts.length).toBe(11);
});

test('a call that states a shared id tells so, though the other calls that have it are not among the rows', () => {
  const few = Array.from({ length: 9 }, (_, n) => ({ id: 'u', linked_id: `c${n}`, stated_by: `c${n}`, system: 's' }));
  const [row] = stated('s', 'c99', 'u');
  const groups = groupsOf([...few, row as Link]);
  expect([...groups.keys()]).toEqual(['c99', 'u']);
  expect(groups.get('c99')).toMatchObject({ root: 'split c99', part: 'c99' });
});

const id = fc.constantFrom(...Array.from('abcdefgh'), 'u', 'u', 'v');
const statement = fc
  .record({ system: fc.constantFrom('r', 's', 't'), own: id, other: id })
  .filter(({ own, other }) => own !== other);
const sharers = fc
  .nat({ max: 11 })
  .map((most) => Array.from({ length: most }, (_, n) => ({ system: `q${n}`, own: `z${n}`, other: 'u' })));
const statements = fc
  .tuple(fc.array(statement, { maxLength: 9 }), sharers)
  .chain(([some, crowd]) => fc.shuffledSubarray([...some, ...crowd]));

test('the groups are the same whatever order the rows come in and however often', () => {
  fc.assert(
    fc.property(statements, fc.infiniteStream(fc.nat()), (list, numbers) => {
      const rows = list.flatMap(({ system, own, other }) => stated(system, own, other));
      const keyed = [...rows, ...rows.slice(3)].map((row) => ({ row, at: Number(numbers.next().value) }));
      const again = keyed.sort((a, b) => a.at - b.at).map(({ row }) => row);
      expect(groupsOf(again)).toEqual(groupsOf(rows));
    }),
    { seed, numRuns: 2_000 },
  );
});

test('with every statement an id knows more or as much, and more where what it is merged with has changed', () => {
  let changes = 0;
  fc.assert(
    fc.property(statements, (list) => {
      const rows: Link[] = [];
      let before = new Map<string, Group>();
      for (const { system, own, other } of list) {
        rows.push(...stated(system, own, other));
        const after = groupsOf(rows);
        const near = within(4, rows, [own, other]);
        for (const [id, was] of before) {
          const weight = after.get(id)?.weight;
          expect(weight).toBeGreaterThanOrEqual(was.weight);
          expect(weight).toBeLessThan(2 ** 40);
          // Of four systems in a row, no two are farther apart.
          if (!near.has(id) || membersOf(after, id) === membersOf(before, id)) continue;
          changes += 1;
          expect(weight, `${id} was merged with ${membersOf(before, id)}`).toBeGreaterThan(was.weight);
        }
        before = after;
      }
    }),
    { seed, numRuns: 2_000 },
  );
  expect(changes).toBeGreaterThan(2_000);
});

/** The ids that at most so many links are between these ids and them, without a shared id on the way. */
function within(steps: number, rows: readonly Link[], ends: readonly string[]): Set<string> {
  const byId = Map.groupBy(rows, ({ id }) => id);
  const isShared = (id: string): boolean => {
    const own = byId.get(id) ?? [];
    const systems = new Set(own.map(({ system, stated_by }) => `${system} ${stated_by}`));
    return (
      new Set(own.map(({ linked_id }) => linked_id)).size > 8 ||
      systems.size > new Set(own.map(({ system }) => system)).size
    );
  };
  const found = new Set(ends);
  let last = [...ends];
  for (let step = 0; step < steps; step += 1) {
    const through = last.filter((id) => step === 0 || !isShared(id));
    last = through.flatMap((id) => (byId.get(id) ?? []).map(({ linked_id }) => linked_id));
    for (const id of last) found.add(id);
  }
  return found;
}

/** The ids that are merged with this one. */
function membersOf(groups: ReadonlyMap<string, Group>, id: string): string {
  const part = groups.get(id)?.part;
  return [...groups].flatMap(([other, group]) => (group.part === part ? other : [])).join(' ');
}
