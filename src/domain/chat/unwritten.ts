import type { Clock } from '../../ports/clock/clock.ts'
import type { Log } from '../../ports/observability/log.ts'
import { DatabaseUnavailable } from '../../store/store.ts'
import { RETRIES_MS } from '../retry.ts'

/** How often it is tried after the first seconds, in milliseconds: well within a lease. */
const LATER_EVERY_MS = 5_000
/** Of a thousand answers of ordinary length, or of a few dozen of the longest in the smallest pieces. */
const MOST_BYTES = 256 * 1024 * 1024

export type Unwritten = ReturnType<typeof createUnwritten>

/** What waits: how much memory it takes, and who hears that it takes longer than some seconds. */
type Waiting = { bytes: number; whenLong?: () => void }

/**
 * The ends of answers that the database has not taken. Each is tried until it is written: as long as
 * the process lives, and as there is room for what waits. Without room, and once the process is to
 * end, it is tried for some seconds and given up.
 * @param mostBytes that may wait
 */
export function createUnwritten(
  { clock, log }: { clock: Pick<Clock, 'wait'>; log: Pick<Log, 'warn'> },
  mostBytes = MOST_BYTES,
) {
  const closing = new AbortController()
  let waiting = 0
  let waitingBytes = 0

  const enter = (bytes: number): void => {
    waiting += 1
    waitingBytes += bytes
    if (waiting === 1) log.warn('ended answers wait for the database to be stored')
  }
  const leave = (bytes: number): void => {
    waiting -= 1
    waitingBytes -= bytes
    if (waiting === 0) log.warn('ended answers no longer wait for the database')
  }

  const goOn = async <T>(
    attempt: () => Promise<T>,
    { hasRoom, whenLong }: { hasRoom: boolean } & Omit<Waiting, 'bytes'>,
  ): Promise<T> => {
    for (const pauseMs of RETRIES_MS) {
      await clock.wait(pauseMs)
      const written = await unlessAway(attempt)
      if (written) return written.value
    }
    whenLong?.()
    while (hasRoom && !closing.signal.aborted) {
      // Who is to end looks once more, at once.
      await clock.wait(LATER_EVERY_MS, closing.signal).catch(() => undefined)
      const written = await unlessAway(attempt)
      if (written) return written.value
    }
    return attempt()
  }

  return {
    /**
     * Tries until it is done. A commit that failed may have happened: only for what is done once
     * however often it is asked for.
     * @throws DatabaseUnavailable when it is given up, and at once whatever else fails
     */
    async persist<T>(attempt: () => Promise<T>, what: Waiting): Promise<T> {
      const written = await unlessAway(attempt)
      if (written) return written.value
      const hasRoom = waitingBytes + what.bytes <= mostBytes
      const bytes = hasRoom ? what.bytes : 0
      enter(bytes)
      return goOn(attempt, { ...what, hasRoom }).finally(() => {
        leave(bytes)
      })
    },

    /** The process is to end: nothing waits for longer than some seconds from now on. */
    close(): void {
      closing.abort()
    },
  }
}

/** What the attempt gave; undefined when the database is away. */
async function unlessAway<T>(attempt: () => Promise<T>): Promise<{ value: T } | undefined> {
  try {
    return { value: await attempt() }
  } catch (error) {
    if (error instanceof DatabaseUnavailable) return undefined
    throw error
  }
}
