import { defineConfig } from 'vitest/config'
import { ensurePrismaClient } from './scripts/generate-prisma.ts'

// Here, because vitest loads every file of globalSetup, with all that they import, before it runs the first.
await ensurePrismaClient()

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    pool: 'forks',
    // Much of a test's time is the database's or the browser's own: every core has work.
    maxWorkers: '100%',
    globalSetup: [
      'tests/support/contract/contract-coverage.ts',
      'tests/support/process/global-setup.ts',
    ],
    // A busy machine is no failure: this only ends what hangs.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // With `--coverage`, as the continuous run has it; what only runs in processes of its own, such as
    // `main.ts`, counts as not run.
    coverage: {
      include: ['src/**/*.ts'],
      reportOnFailure: true,
      reporter: ['text', 'text-summary'],
      thresholds: { statements: 95 },
    },
  },
})
