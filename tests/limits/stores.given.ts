import { randomUUID } from 'node:crypto'
import type { Counter, Limiter, Tally } from '../../src/ports/limiter/limiter.ts'

/** Counters of nobody else. */
export function someone() {
  const subject = randomUUID()
  return (name: string, quota: number, windowSeconds = 3600): Counter => ({
    name,
    subject,
    quota,
    windowSeconds,
  })
}

export const passed = (tallies: readonly Tally[]) => tallies.every(({ spent }) => !spent)

export async function left(limiter: Limiter, ...counters: Counter[]): Promise<number[]> {
  return (await limiter.peek(counters)).map(({ remaining }) => remaining)
}
