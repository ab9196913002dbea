import { randomUUID } from 'node:crypto'
import type { Counter, Limiter, Tally } from '../../src/ports/limiter/limiter.ts'

/** Returns a function that makes counters of a new subject. */
export function newSubject() {
  const subject = randomUUID()
  return (name: string, quota: number, windowSeconds = 3600): Counter => ({
    name,
    subject,
    quota,
    windowSeconds,
  })
}

export const isAllowed = (tallies: readonly Tally[]) => tallies.every(({ spent }) => !spent)

export async function getRemaining(limiter: Limiter, ...counters: Counter[]): Promise<number[]> {
  return (await limiter.peek(counters)).map(({ remaining }) => remaining)
}
