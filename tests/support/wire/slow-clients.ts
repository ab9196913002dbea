import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const MEMBER = join(import.meta.dirname, 'slow-clients-process.ts')
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href

export type SlowClientsOptions = { port: number; count: number }
export type SlowClientsMessage = { connected: number } | { left: string }

/** Many connections from a separate process: none sends a whole request, and none closes. */
export type SlowClients = {
  /** The number of connections that the server has ended, by the status of its last response. */
  left(): Record<string, number>
  close(): Promise<void>
}

/** Resolves when all are connected. @throws if one is refused */
export async function openSlowClients(url: string, count: number): Promise<SlowClients> {
  const options: SlowClientsOptions = { port: Number(new URL(url).port), count }
  const child = fork(MEMBER, [JSON.stringify(options)], { execArgv: ['--import', TSX] })
  const exited = once(child, 'exit')
  const left: Record<string, number> = {}
  const connected = new Promise<void>((resolve) => {
    child.on('message', (message: SlowClientsMessage) => {
      if ('connected' in message) resolve()
      else left[message.left] = (left[message.left] ?? 0) + 1
    })
  })
  const early = exited.then(() => {
    throw new Error('The clients could not connect')
  })
  await Promise.race([connected, early])
  early.catch(() => undefined)
  return {
    left: () => ({ ...left }),
    async close() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
