import type { Clock } from '../../ports/clock/clock.ts'
import type { Log } from '../../ports/observability/log.ts'
import { DatabaseUnavailable } from '../../store/store.ts'
import { RETRIES_MS } from '../server/database-retry.ts'

/** The pause between attempts after the first seconds, in milliseconds: well within a lease. */
const LATER_EVERY_MS = 5_000
/** Enough for a thousand answers of ordinary length, or a few dozen of the longest in the smallest pieces. */
const MOST_BYTES = 256 * 1024 * 1024

type Deps = { clock: Pick<Clock, 'wait'>; log: Pick<Log, 'warn'> }

/** The memory that a pending write takes, and what to call once it has been pending for some seconds. */
type Pending = { bytes: number; whenLong?: () => void }

/**
 * Writes that an unavailable database has not taken. Each is retried for as long as the process lives
 * and while there is room for it. Without room, and once the process shuts down, it is retried for
 * some seconds and given up. See docs/decisions/0019.
 */
export class PendingWrites {
  readonly #deps: Deps
  readonly #mostBytes: number
  readonly #closing = new AbortController()
  #count = 0
  #bytes = 0

  /** @param mostBytes that pending writes may take together */
  constructor(deps: Deps, mostBytes = MOST_BYTES) {
    this.#deps = deps
    this.#mostBytes = mostBytes
  }

  /**
   * Attempts the write until it succeeds. A commit that failed may have happened: only for writes
   * that may be repeated.
   * @throws DatabaseUnavailable when the write is given up; any other error at once
   */
  async persist<T>(attempt: () => Promise<T>, pending: Pending): Promise<T> {
    const written = await unlessUnavailable(attempt)
    if (written) return written.value
    const hasRoom = this.#bytes + pending.bytes <= this.#mostBytes
    const bytes = hasRoom ? pending.bytes : 0
    this.#enter(bytes)
    return this.#retry(attempt, { ...pending, hasRoom }).finally(() => {
      this.#leave(bytes)
    })
  }

  /** The process shuts down: from now on nothing is pending for longer than some seconds. */
  close(): void {
    this.#closing.abort()
  }

  async #retry<T>(
    attempt: () => Promise<T>,
    { hasRoom, whenLong }: { hasRoom: boolean } & Omit<Pending, 'bytes'>,
  ): Promise<T> {
    const { clock } = this.#deps
    const { signal } = this.#closing
    for (const pauseMs of RETRIES_MS) {
      await clock.wait(pauseMs)
      const written = await unlessUnavailable(attempt)
      if (written) return written.value
    }
    whenLong?.()
    while (hasRoom && !signal.aborted) {
      // A shutdown cuts the pause short: there is one more attempt, at once.
      await clock.wait(LATER_EVERY_MS, signal).catch(() => undefined)
      const written = await unlessUnavailable(attempt)
      if (written) return written.value
    }
    return attempt()
  }

  #enter(bytes: number): void {
    this.#count += 1
    this.#bytes += bytes
    if (this.#count === 1) this.#deps.log.warn('ended answers wait for the database to be stored')
  }

  #leave(bytes: number): void {
    this.#count -= 1
    this.#bytes -= bytes
    if (this.#count === 0) this.#deps.log.warn('ended answers no longer wait for the database')
  }
}

/** The result of the attempt; undefined when the database is unavailable. */
async function unlessUnavailable<T>(attempt: () => Promise<T>): Promise<{ value: T } | undefined> {
  try {
    return { value: await attempt() }
  } catch (error) {
    if (error instanceof DatabaseUnavailable) return undefined
    throw error
  }
}
