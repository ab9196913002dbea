import type { ChildProcess } from 'node:child_process'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { packageRoot } from '../../src/lib/package-root.ts'
import { start, stop } from './processes.ts'

const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 10_000
const LOOK_EVERY_MS = 50
const MAIN = join(packageRoot, 'dist/src/main.js')

export type BuiltServer = {
  child: ChildProcess
  origin: string
  /** The path of its log. */
  log: string
  stop: () => Promise<void>
}

/**
 * Starts the server as operators run it, from `dist`, on a free port of 127.0.0.1. Its data and its log
 * are in `directory`; it inherits no settings from this process. Run `npm run build` first.
 * @throws with the standard error of the server if it does not listen within a minute
 */
export async function startBuiltServer(
  directory: string,
  env: Record<string, string>,
): Promise<BuiltServer> {
  const log = join(directory, 'log')
  const out = await open(log, 'w')
  const own = {
    PATH: process.env['PATH'],
    PORT: '0',
    HOST: '127.0.0.1',
    DATA_DIR: join(directory, 'data'),
  }
  const command = { program: process.execPath, parameters: [MAIN], env: { ...own, ...env } }
  const child = start(command, directory, out.fd)
  await out.close()
  const origin = await originOf(child)
  return { child, origin, log, stop: () => stop(child, STOP_LIMIT_MS) }
}

/** Returns the origin that the server prints when it listens. */
async function originOf(child: ChildProcess): Promise<string> {
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => (said += chunk))
  const deadline = performance.now() + START_LIMIT_MS
  const isAlive = () => child.exitCode === null && child.signalCode === null
  while (isAlive() && performance.now() < deadline) {
    const origin = /Parley listens on +(http:\S+)/.exec(said)?.[1]
    if (origin !== undefined) return origin
    await pause(LOOK_EVERY_MS)
  }
  await stop(child, STOP_LIMIT_MS)
  throw new Error(`The server did not start:\n${said}`)
}
