import { openSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../../tests/support/wire/free-port.ts'
import { start, stop } from '../../support/processes.ts'
import { cpuSeconds } from './cpu.ts'

/** A program that answers at 127.0.0.1:PORT. */
export type Program = {
  name: string
  command: string
  parameters: (port: number) => string[]
  directory: string
  env: Record<string, string>
}

export type Running = { name: string; pid: number; origin: string; stop(): Promise<void> }

const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 5_000
/** A server that works less than that in so long has started. */
const SETTLING_MS = 500
const SETTLED_SECONDS = 0.03

/**
 * Starts a server on a free port with nothing of this process's settings. Its log goes to /dev/null.
 * @throws when it does not answer within a minute, with what it said on standard error
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

/** Parley listens first, and then compiles for some seconds what its first calls would wait for. */
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
