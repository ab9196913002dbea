import { spawn } from 'node:child_process'

/*
 * `npm run examples`: plays the scenario of tests/support/recorded-scenario against a server, and writes
 * the responses into the examples of openapi/api.yaml and into openapi/examples. Read the diff before
 * you commit it: partners see it.
 */
const recording = spawn('npx', ['vitest', 'run', 'tests/contract/examples.test.ts'], {
  stdio: 'inherit',
  shell: process.platform === 'win32',
  env: { ...process.env, RECORD_EXAMPLES: '1' },
})
recording.once('close', (code) => {
  process.exitCode = code ?? 1
})
