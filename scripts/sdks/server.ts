import { readFileSync } from 'node:fs'
import { packageRoot } from '../../src/lib/package-root.ts'
import { startBuiltServer } from '../support/built-server.ts'
import { run } from '../support/processes.ts'

const BUILD_LIMIT_MS = 120_000

/** Refuses soon and for a short while, so that a refusal can be waited out. */
const LIMITS = {
  RATE_LIMIT_CHAT: '5/8',
  RATE_LIMIT_ANONYMOUS: '1000/3600',
  RATE_LIMIT_SIGN_IN_ADDRESS: '1000/900',
}

/**
 * The server as operators run it: built, with the embedded database in `directory` and the engine
 * that is built in, on a free port, with nothing of this process's settings.
 * @throws when it does not build or does not start within a minute
 */
export async function startServer(directory: string) {
  await run({ program: 'npm', parameters: ['run', 'build'], limitMs: BUILD_LIMIT_MS }, packageRoot)
  const settings = { REGISTRATION: 'open', LOG_LEVEL: 'warn', ...LIMITS }
  const server = await startBuiltServer(directory, settings)
  return {
    url: `${server.origin}/api/v1`,
    /** The lines of its log: warnings and failures, for whoever looks for a reason. */
    logged: () => readFileSync(server.log, 'utf8').split('\n').filter(Boolean),
    stop: server.stop,
  }
}
