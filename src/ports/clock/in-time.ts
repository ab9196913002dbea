import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from './clock.ts'

/** What was asked did not answer within its time. */
export class TooSlow extends Error {
  override readonly name = 'TooSlow'
}

/**
 * What `work` gives, if it does so within `ms` milliseconds; what becomes of it later is ignored.
 * Nearly every call waits for something in this way: an AbortController and its reason would cost 15
 * µs each time, where the interval costs one.
 * @throws TooSlow after that time, and whatever `work` throws before
 */
export async function inTime<T>(work: Promise<T>, ms: number, clock: Clock): Promise<T> {
  let stop = () => {}
  const late = new Promise<never>((_, reject) => {
    stop = clock.every(ms, async () => {
      // After a long turn of our own the timer comes before the answer that has been there for long:
      // the next turn has read it.
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
