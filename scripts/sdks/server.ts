import { once } from 'node:events'
import { join } from 'node:path'
import { packageRoot } from '../../src/package-root.ts'
import { run, start } from './processes.ts'

const BUILD_LIMIT_MS = 120_000
const START_LIMIT_MS = 60_000

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
  const child = start(
    {
      program: process.execPath,
      parameters: [join(packageRoot, 'dist/src/main.js')],
      env: {
        PATH: process.env['PATH'] ?? '',
        PORT: '0',
        HOST: '127.0.0.1',
        DATA_DIR: join(directory, 'data'),
        REGISTRATION: 'open',
        LOG_LEVEL: 'warn',
        ...LIMITS,
      },
    },
    directory,
  )
  let output = ''
  const origin = await new Promise<string>((resolve, reject) => {
    const fail = () => reject(new Error(`The server did not start.\n${output}`))
    setTimeout(fail, START_LIMIT_MS).unref()
    child.once('close', fail)
    const take = (chunk: string) => {
      output += chunk
      const said = /listens on\s+(http:\S+)/.exec(output)?.[1]
      if (said !== undefined) resolve(said)
    }
    child.stdout?.setEncoding('utf8').on('data', take)
    child.stderr?.setEncoding('utf8').on('data', take)
  })
  return {
    url: `${origin.replace('localhost', '127.0.0.1')}/api/v1`,
    /** The lines of its log: warnings and failures, for whoever looks for a reason. */
    logged: () => output.split('\n').filter((line) => line.startsWith('{')),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}
