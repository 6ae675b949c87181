import { setTimeout as pause } from 'node:timers/promises';

/** Waits for work for so long (ms) and no longer: what takes more goes on beside who asked. Throws what fails meanwhile. */
export async function patiently(work: Promise<unknown>, ms: number): Promise<void> {
  const waited = new AbortController();
  await Promise.race([work, pause(ms, undefined, { signal: waited.signal }).catch(() => {})]).finally(() =>
    waited.abort(),
  );
}
