import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    globalSetup: ['test/support/schema-directory.ts'],
    include: ['test/**/*.test.ts'],
    // More than the processors of a small machine: half of a test's time is waiting for processes that it started.
    maxWorkers: 3,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    retry: 0,
  },
});
