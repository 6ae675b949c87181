import { setTimeout as delay } from 'node:timers/promises';

/** What a condition says while it does not hold yet. */
export const notYet = Symbol('not yet');

const pauseMs = 50;

/**
 * Asks again and again until the answer is not `notYet`, and gives it. Rejects after the deadline with what was waited
 * for; a failing question counts as "not yet", because the stack under test is being broken on purpose.
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | typeof notYet> | T | typeof notYet,
  deadlineMs: number = 30_000,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  let last = '';
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== notYet) return answer;
    } catch (error) {
      last = `; the last question failed: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() > deadline) throw new Error(`after ${deadlineMs} ms still not: ${what}${last}`);
    await delay(pauseMs);
  }
}

/** `until` for a condition that is true or false. */
export async function untilTrue(
  what: string,
  ask: () => Promise<boolean> | boolean,
  deadlineMs?: number,
): Promise<void> {
  await until(what, async () => ((await ask()) ? true : notYet), deadlineMs);
}
