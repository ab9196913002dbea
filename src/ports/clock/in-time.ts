import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from './clock.ts'

/** The work was not done in time. */
export class TooSlow extends Error {
  override readonly name = 'TooSlow'
}

/**
 * Resolves with the result of `work` if it is done within `ms` milliseconds; a later one is ignored.
 * Nearly every call waits in this way: an AbortController and its reason would cost 15 µs each time,
 * the interval costs one.
 * @throws TooSlow after that time, and whatever `work` throws before
 */
export async function inTime<T>(work: Promise<T>, ms: number, clock: Clock): Promise<T> {
  let stop = () => {}
  const late = new Promise<never>((_, reject) => {
    stop = clock.every(ms, async () => {
      // After a long turn of the event loop the timer fires before a reply that came in time is read:
      // by the next turn it is.
      await nextTurn()
      reject(new TooSlow(`No answer within ${ms} ms`))
    })
  })
  try {
    return await Promise.race([work, late])
  } finally {
    stop()
  }
}
