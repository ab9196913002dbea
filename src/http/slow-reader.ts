import { once } from 'node:events'
import type { Response } from 'express'
import type { Clock } from '../ports/clock.ts'

/** A reader that takes nothing for so long is cut (CONTRACT: streams). */
const STALLED_READER_MS = 30_000

/** Waits until the reader has taken what was written, is gone, or is cut for taking nothing. */
export async function drained(res: Response, clock: Clock): Promise<void> {
  // Whoever left while the next piece was fetched will not say so again.
  if (res.closed || res.destroyed) return
  const over = new AbortController()
  const closed = once(res, 'close', { signal: over.signal })
  const empty = once(res, 'drain', { signal: over.signal })
  const stalled = clock.wait(STALLED_READER_MS, over.signal).then(() => res.destroy())
  try {
    await Promise.race([closed, empty, stalled])
  } finally {
    over.abort()
    await Promise.allSettled([closed, empty, stalled])
  }
}
