import { defineConfig } from 'vitest/config'
import { ensurePrismaClient } from './scripts/generate-prisma.ts'

// Here, because vitest loads every file of globalSetup, with all that they import, before it runs the first.
await ensurePrismaClient()

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    pool: 'forks',
    // Tests spend much of their time waiting for databases and browsers, so every core gets a worker.
    maxWorkers: '100%',
    globalSetup: [
      'tests/support/contract/contract-coverage.ts',
      'tests/support/process/global-setup.ts',
    ],
    // Ends tests that hang; long enough for a busy machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Applies with `--coverage`, as in CI. Code that runs only in separate processes, such as `main.ts`,
    // counts as not covered.
    coverage: {
      include: ['src/**/*.ts'],
      reportOnFailure: true,
      reporter: ['text', 'text-summary'],
      thresholds: { statements: 95 },
    },
  },
})
