import { randomInt, randomUUID } from 'node:crypto'
import { v7 } from 'uuid'
import type { Clock } from './clock/clock.ts'

/** Makes new ids. */
export interface Ids {
  /** A UUIDv7 (RFC 9562): the ids of one process sort in the order in which they were made. */
  next(): string
  /** A UUIDv4 for a request without an id of its own: it reveals nothing. */
  requestId(): string
}

/** Ids by the given clock. If the clock steps back, ids continue from the latest time. */
export function createIds(clock: Clock): Ids {
  let msecs = -1
  let seq = 0
  return {
    next() {
      const now = clock.now().getTime()
      if (now > msecs) {
        msecs = now
        // The sequence has 32 bits: a start in the lower half leaves room to count within one ms.
        seq = randomInt(2 ** 31)
        return v7({ msecs, seq })
      }
      seq += 1
      return v7({ msecs, seq })
    },
    requestId: () => randomUUID(),
  }
}
