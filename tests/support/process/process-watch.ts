import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { ParleyProcess } from './process.ts'

const WORKER = new URL('process-watch-worker.js', import.meta.url)

/** What is promised: health answers in under a second, whatever else goes on. */
const PROMISED_MS = 1_000

/** How a process was while it was watched. */
export type Watched = {
  /** Answers of the 20 a second that were asked for; each of these failed with what it says. */
  answers: number
  failures: string[]
  /** How many of 1 were answered as promised, not counting time in which the machine was not ours. */
  shareInTime: number
  slowestMs: number
  /** Resident memory, when the watch began and at most. */
  firstMegabytes: number
  mostMegabytes: number
}

type Seen = { waitsMs: number[]; failures: string[]; firstBytes: number; mostBytes: number }

/**
 * Watches a process from a thread of its own, so that what the test does is not taken for what the
 * server does, until the returned function is called.
 */
export async function watchProcess({ url, pid }: ParleyProcess): Promise<() => Promise<Watched>> {
  const workerData = { url: `${url}/api/v1/health`, pid }
  const worker = new Worker(WORKER, { workerData, execArgv: [] })
  await once(worker, 'online')
  return async () => {
    const message = once(worker, 'message')
    worker.postMessage('stop')
    const [seen] = (await message) as [Seen]
    const { waitsMs, failures } = seen
    const inTime = waitsMs.filter((ms) => ms < PROMISED_MS).length
    return {
      answers: waitsMs.length,
      failures,
      shareInTime: inTime / waitsMs.length,
      slowestMs: Math.round(Math.max(...waitsMs)),
      firstMegabytes: Math.round(seen.firstBytes / 2 ** 20),
      mostMegabytes: Math.round(seen.mostBytes / 2 ** 20),
    }
  }
}

/** How many files and connections a process has open. */
export function openFiles({ pid }: ParleyProcess): number {
  return readdirSync(`/proc/${String(pid)}/fd`).length
}
