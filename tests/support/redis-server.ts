import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from './free-port.ts'
import { until } from './until.ts'

/** Whether this machine can start a Redis. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0

/** A Redis of a test's own, in memory. */
export type RedisServer = {
  url: string
  /** `SIGSTOP` leaves its connections open and unanswered. */
  signal(signal: NodeJS.Signals): void
  /** Ends it as a crash would. */
  kill(): Promise<void>
  /** Another one on the same port, with nothing in it. */
  start(): Promise<void>
}

export async function startRedis(): Promise<RedisServer> {
  const port = await freePort()
  let child = await run(port)
  return {
    url: `redis://127.0.0.1:${port}`,
    signal: (signal) => void child.kill(signal),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
    async start() {
      child = await run(port)
    },
  }
}

async function run(port: number): Promise<ChildProcess> {
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', '/tmp']
  const child = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await until(() => output.includes('Ready to accept connections'))
  return child
}
