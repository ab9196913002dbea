import type { Clock } from '../../ports/clock/clock.ts'

/** Other instances are asked for their changes this often: well within the promised 5 s. */
const POLL_MS = 2_000
/** Clocks of instances may differ, and a row becomes visible only when its transaction commits. */
export const OVERLAP_MS = 60_000

/**
 * Reads what changed at `since` or later and applies it. A change may be read several times, since
 * readings overlap.
 */
export type ReadChanges = (since: Date, now: Date) => Promise<void>

/** Applies the changes that other instances make, so that no call has to query the database. */
export class ChangeFeed {
  readonly #clock: Clock
  readonly #firstSpanMs: number
  readonly #readChanges: ReadChanges
  #readUntilMs: number | undefined

  /** @param firstSpanMs how far back the first reading goes */
  constructor(clock: Clock, firstSpanMs: number, readChanges: ReadChanges) {
    this.#clock = clock
    this.#firstSpanMs = firstSpanMs
    this.#readChanges = readChanges
  }

  /** Applies what changed on any instance since the last reading. */
  async refresh(): Promise<void> {
    const now = this.#clock.now()
    const since = this.#readUntilMs ?? now.getTime() - this.#firstSpanMs
    await this.#readChanges(new Date(since - OVERLAP_MS), now)
    this.#readUntilMs = now.getTime()
  }

  /** Refreshes every two seconds until the returned function is called. */
  follow(onError: (error: unknown) => void): () => void {
    return this.#clock.every(POLL_MS, () => this.refresh(), onError)
  }
}
