import { readFileSync } from 'node:fs'
import { packageRoot } from '../../src/lib/package-root.ts'
import { startBuiltServer } from '../support/built-server.ts'
import { run } from '../support/processes.ts'

const BUILD_LIMIT_MS = 120_000

/** The chat limit is low and its window short, so that a scenario can exceed it and wait. */
const LIMITS = {
  RATE_LIMIT_CHAT: '5/8',
  RATE_LIMIT_ANONYMOUS: '1000/3600',
  RATE_LIMIT_SIGN_IN_ADDRESS: '1000/900',
}

/**
 * Builds the server and starts it as operators run it, on a free port, with the built-in engine and the
 * embedded database in `directory`. It inherits no settings from this process.
 * @throws if the build fails or the server does not start within a minute
 */
export async function startServer(directory: string) {
  await run({ program: 'npm', parameters: ['run', 'build'], limitMs: BUILD_LIMIT_MS }, packageRoot)
  const settings = { REGISTRATION: 'open', LOG_LEVEL: 'warn', ...LIMITS }
  const server = await startBuiltServer(directory, settings)
  return {
    url: `${server.origin}/api/v1`,
    /** Returns the lines of the server's log: warnings and failures. */
    logged: () => readFileSync(server.log, 'utf8').split('\n').filter(Boolean),
    stop: server.stop,
  }
}
