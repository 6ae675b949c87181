import { afterAll, beforeAll, expect, test } from 'vitest';
import { streamStates } from '#clickhouse/tables.ts';
import { planned } from '../../ingest/ownership.ts';
import { openSchema, type Schema } from './schema.ts';

let schema: Schema;
beforeAll(async () => {
  schema = await openSchema();
});
afterAll(async () => schema.close());

test('of all living workers exactly one looks for waiting calls, whichever streams it reads, and another when it has left', async () => {
  const { db } = schema;
  const owners = ['north/1', 'south/1', 'west/1'];
  const says = async (owner: string, state: string): Promise<void> =>
    db.insert(streamStates, JSON.stringify([`worker/${owner}`, owner, 0, state, -1, -1, 0, -1]));
  for (const owner of owners) await says(owner, 'reading');
  const sweepers = async (): Promise<string[]> => {
    const plans = await Promise.all(owners.map(async (owner) => planned(db, owner, ['n/h/0', 'n/h/1'], new Set())));
    return owners.filter((_, index) => plans[index]?.sweeps === true);
  };
  // Whoever asks counts itself as living.
  expect(await sweepers()).toEqual(['north/1']);
  await says('north/1', 'left');
  owners.shift();
  expect(await sweepers()).toEqual(['south/1']);
});
