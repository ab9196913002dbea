import { spawn } from 'node:child_process'

/*
 * Tells the story of tests/support/recorded-scenario to a running server, and writes what it was answered into
 * the examples of openapi/api.yaml and into openapi/examples. Look at the difference before you
 * commit it: it is what partners will see.
 */
const recording = spawn('npx', ['vitest', 'run', 'tests/contract/examples.test.ts'], {
  stdio: 'inherit',
  shell: process.platform === 'win32',
  env: { ...process.env, RECORD_EXAMPLES: '1' },
})
recording.once('close', (code) => {
  process.exitCode = code ?? 1
})
