import { defineConfig } from 'vitest/config';

/** Comparisons with other people's programs, which `npm test` must not need: Debian's packages prometheus and prometheus-alertmanager. */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    globalSetup: ['test/peers/programs.ts'],
    include: ['test/peers/**/*.peer.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    retry: 0,
  },
});
