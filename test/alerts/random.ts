import fc from 'fast-check';

export { default as fc } from 'fast-check';

/** Parameters of a property test with a new seed for each run, which is printed so that a failure can be repeated. */
export function seeded(what: string, runs: number): fc.Parameters<unknown> {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  process.stdout.write(`${what}: seed ${seed}, ${runs} series\n`);
  return { seed, numRuns: runs };
}
