import pRetry, { AbortError } from 'p-retry';

/** What a failed attempt means: `again` after a pause, or `never` because the same input gives the same failure. */
export type Verdict = 'again' | 'never';

/**
 * Repeats `attempt` until it succeeds, is judged `never`, or the signal aborts. There is no limit on attempts: the
 * callers are the ones that must not lose anything. Pauses grow from 100 ms to 5 s with jitter.
 */
export async function retryUntilDone<T>(
  attempt: (tries: number) => Promise<T>,
  options: { judge: (error: Error) => Verdict; signal: AbortSignal; onFailure: (error: Error, tries: number) => void },
): Promise<T> {
  return pRetry(attempt, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 100,
    maxTimeout: 5_000,
    randomize: true,
    signal: options.signal,
    shouldRetry: ({ error }) => options.judge(error) === 'again',
    onFailedAttempt: ({ error, attemptNumber }) => {
      if (!(error instanceof AbortError)) options.onFailure(error, attemptNumber);
    },
  });
}
