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

test('where a system has two own ids, every id is a part of its own, and the group differs from all of them', () => {
  const rows = [...stated('apim', 'a', 'u'), ...stated('kong', 'k', 'u'), ...stated('apim', 'b', 'u')];
  const group = 'split a';
  expect(placed(rows)).toEqual({ a: [group, 'a'], b: [group, 'b'], k: [group, 'k'], u: [group, 'u'] });
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
const statements = fc
  .tuple(fc.array(statement, { maxLength: 9 }), fc.nat({ max: 11 }))
  .chain(([some, sharers]) =>
    fc.shuffledSubarray(
      [...some, ...Array.from({ length: sharers }, (_, n) => ({ system: `q${n}`, own: `z${n}`, other: 'u' }))],
      { minLength: 1 },
    ),
  );

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

test('with every link an id knows more or as much, and more where what it is merged with has changed', () => {
  fc.assert(
    fc.property(statements, (list) => {
      const rows: Link[] = [];
      let before = new Map<string, Group>();
      for (const { system, own, other } of list) {
        rows.push(...stated(system, own, other));
        const after = groupsOf(rows);
        for (const [id, was] of before) {
          const is = after.get(id);
          expect(is?.weight).toBeGreaterThanOrEqual(was.weight);
          expect(is?.weight).toBeLessThan(2 ** 47);
          if (membersOf(after, id) !== membersOf(before, id) && is?.weight === was.weight)
            expect.fail(`${id} is merged with ${membersOf(after, id)} and was with ${membersOf(before, id)}`);
        }
        before = after;
      }
    }),
    { seed, numRuns: 2_000 },
  );
});

/** The ids that are merged with this one. */
function membersOf(groups: ReadonlyMap<string, Group>, id: string): string {
  const part = groups.get(id)?.part;
  return [...groups].flatMap(([other, group]) => (group.part === part ? other : [])).join(' ');
}
