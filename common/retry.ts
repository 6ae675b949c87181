import pRetry from 'p-retry';

/**
 * Repeats `attempt` until it succeeds or the signal aborts. There is no limit on attempts: the callers are the ones
 * that must not lose anything. Pauses grow from 100 ms to 5 s with jitter.
 */
export async function retryUntilDone<T>(
  attempt: () => Promise<T>,
  options: { signal: AbortSignal; onFailure: (error: Error, tries: number) => void },
): Promise<T> {
  return pRetry(attempt, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 100,
    maxTimeout: 5_000,
    randomize: true,
    signal: options.signal,
    onFailedAttempt: ({ error, attemptNumber }) => options.onFailure(error, attemptNumber),
  });
}
