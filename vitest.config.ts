import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    pool: 'forks',
    // Much of a test's time is the database's or the browser's own: every core has work.
    maxWorkers: '100%',
    globalSetup: ['tests/support/contract-coverage.ts', 'tests/support/global-setup.ts'],
    // A busy machine is no failure: this only ends what hangs.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // With `--coverage`, as the continuous run has it.
    coverage: {
      include: ['src/**/*.ts'],
      // Tests run these in processes of their own, whose statements nobody counts.
      exclude: ['src/main.ts', 'src/listening.ts', 'src/commands/**'],
      reportOnFailure: true,
      reporter: ['text', 'text-summary'],
      thresholds: { statements: 95 },
    },
  },
})
