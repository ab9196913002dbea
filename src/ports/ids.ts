import { randomInt, randomUUID } from 'node:crypto'
import { v7 } from 'uuid'
import type { Clock } from './clock/clock.ts'

/** Where new ids come from. */
export interface Ids {
  /** A UUIDv7 (RFC 9562): ids made by one process sort in the order they were made. */
  next(): string
  /** A UUIDv4 for a request that brought no id of its own: nothing can be read from it. */
  requestId(): string
}

/** Ids by the given clock. If the clock steps back, ids go on from the latest time they have seen. */
export function createIds(clock: Clock): Ids {
  let msecs = -1
  let seq = 0
  return {
    next() {
      const now = clock.now().getTime()
      if (now > msecs) {
        msecs = now
        // The sequence has 32 bits: starting in the lower half leaves room to count within one ms.
        seq = randomInt(2 ** 31)
        return v7({ msecs, seq })
      }
      seq += 1
      return v7({ msecs, seq })
    },
    requestId: () => randomUUID(),
  }
}
