import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../wire/free-port.ts'
import { until } from '../clock/until.ts'

/** Whether this machine can start a Redis. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0

/** A Redis of a test's own, in memory. */
export type RedisServer = {
  url: string
  port: number
  /** Where it writes, if it writes. */
  directory: string
  /** `SIGSTOP` leaves its connections open and unanswered. */
  signal(signal: NodeJS.Signals): void
  /** Ends it as a crash would. */
  kill(): Promise<void>
  /** Another one on the same port, with nothing in it and these options instead. */
  start(...otherOptions: string[]): Promise<void>
}

/** @param options as on the command line of `redis-server` */
export async function startRedis(...options: string[]): Promise<RedisServer> {
  const port = await freePort()
  const directory = await mkdtemp(join(tmpdir(), 'parley-redis-'))
  const run = (given: string[]) => launch(['--port', String(port), '--dir', directory, ...given])
  let child = await run(options)
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    directory,
    signal: (signal) => void child.kill(signal),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
      await rm(directory, { recursive: true, force: true })
    },
    async start(...otherOptions) {
      await mkdir(directory, { recursive: true })
      child = await run(otherOptions.length > 0 ? otherOptions : options)
    },
  }
}

async function launch(options: string[]): Promise<ChildProcess> {
  const all = ['--bind', '127.0.0.1', '--save', '', ...options]
  const child = spawn('redis-server', all, { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await until(() => output.includes('Ready to accept connections'))
  return child
}
