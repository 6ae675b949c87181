import fc from 'fast-check';
import { expect, test } from 'vitest';
import { messageRows } from '../../ingest/rows.ts';
import { fixtures, messageAt } from './fixtures.ts';
import { inventedTokens } from './invented.ts';
import { mutatedMessages } from './mutations.ts';

/*
 * Every decoder against its own fixtures with types flipped, names dropped, recased, nested and texts cut off.
 * MUTATIONS=100000 SEED=1 repeats a long run.
 */
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000_000);
const mutations = Number(process.env['MUTATIONS'] ?? 2_000);
console.log(`mutation.test.ts runs with SEED=${seed} MUTATIONS=${mutations}`);

const bySource = Object.groupBy(fixtures(), (fixture) => fixture.path.split('/')[0] ?? '');

test.each(Object.entries(bySource))(
  '%s: no mutation of its records makes its decoder throw, invent a token or let a text into a field',
  (source, all = []) => {
    let counted = 0;
    let understood = 0;
    fc.assert(
      fc.property(mutatedMessages(all.flatMap((fixture) => fixture.messages)), (text) => {
        const message = messageAt(7, text);
        for (const row of messageRows(message).rows) {
          expect(row.reason).not.toBe('decoder_failed');
          if (row.kind === 'rejected') continue;
          understood += 1;
          expect(row.content).not.toContain('SECRET');
        }
        const found = inventedTokens(message);
        expect(found.invented).toEqual([]);
        counted += found.counted;
      }),
      { seed, numRuns: mutations },
    );
    console.log(`${source}: ${mutations} mutations, ${understood} understood records, ${counted} counts of tokens`);
    // Mutations that nothing survives would prove nothing.
    if (source !== 'envelope') expect(understood).toBeGreaterThan(mutations / 20);
  },
  60_000 + mutations * 10,
);
