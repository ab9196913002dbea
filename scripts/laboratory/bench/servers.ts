import { openSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../../tests/support/wire/free-port.ts'
import { start, stop } from '../../support/processes.ts'
import { cpuSeconds } from './cpu.ts'

/** A server that listens on 127.0.0.1:PORT. */
export type Program = {
  name: string
  command: string
  parameters: (port: number) => string[]
  directory: string
  env: Record<string, string>
}

export type Running = { name: string; pid: number; origin: string; stop: () => Promise<void> }

const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 5_000
/** A server that uses less processor time than this in this period has started. */
const SETTLING_MS = 500
const SETTLED_SECONDS = 0.03

/**
 * Starts a server on a free port, without the settings of this process. Its log goes to /dev/null.
 * @throws with the end of its standard error if it does not respond within a minute
 */
export async function startServer(program: Program): Promise<Running> {
  const { name, command, parameters, directory, env } = program
  const port = await freePort()
  const own = { PATH: process.env['PATH'], NODE_ENV: 'production', PORT: String(port) }
  const started = { program: command, parameters: parameters(port), env: { ...env, ...own } }
  const child = start(started, directory, openSync('/dev/null', 'w'))
  const isAlive = () => child.exitCode === null && child.signalCode === null
  let said = ''
  child.stderr!.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)))
  const origin = `http://127.0.0.1:${port}`
  const deadline = performance.now() + START_LIMIT_MS
  while (!(await answers(origin))) {
    if (performance.now() > deadline || !isAlive()) {
      await stop(child, STOP_LIMIT_MS)
      throw new Error(`${name} did not start:\n${said}`)
    }
    await pause(100)
  }
  await settled(child.pid!)
  return { name, pid: child.pid!, origin, stop: () => stop(child, STOP_LIMIT_MS) }
}

/** After it listens, Parley compiles validators for some seconds, so that the first calls need not wait. */
async function settled(pid: number): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS
  let before = await cpuSeconds(pid)
  while (performance.now() < deadline) {
    await pause(SETTLING_MS)
    const now = await cpuSeconds(pid)
    if (now - before < SETTLED_SECONDS) return
    before = now
  }
}

async function answers(origin: string): Promise<boolean> {
  const signal = AbortSignal.timeout(1_000)
  return fetch(`${origin}/api/v1/health`, { signal }).then(
    ({ ok }) => ok,
    () => false,
  )
}
