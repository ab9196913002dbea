import { createBatching } from './batching.ts'
import {
  checkByUse,
  type Count,
  type Counter,
  keyOf,
  type SharedLimiter,
  type Tally,
  tallyOf,
  tallyOfTake,
} from './limiter.ts'

/** Points to take from one counter; negative ones are given back. */
export type PointsToTake = { key: string; points: number; windowSeconds: number; quota: number }

/** The table of the counters. Each function is one statement. */
export type LimitCounters = {
  /**
   * Changes all counters of each call in turn, or none if one would exceed its quota.
   * @returns for each call, a count for each of its counters
   */
  take(calls: readonly (readonly PointsToTake[])[]): Promise<Count[][]>
  /** The counts of open windows, each in the place of its key. */
  find(keys: readonly string[]): Promise<(Count | undefined)[]>
  delete(key: string): Promise<void>
  deleteExpired(): Promise<void>
  close(): Promise<void>
}

/**
 * Counts in PostgreSQL; the time is that of the database. Calls that come while statements are in
 * progress are counted together by the next one.
 */
export class PostgresLimiter implements SharedLimiter {
  readonly #counters: LimitCounters
  readonly #take: (call: readonly PointsToTake[]) => Promise<Count[]>

  constructor(counters: LimitCounters) {
    this.#counters = counters
    this.#take = createBatching((calls) => counters.take(calls))
  }

  async take(counters: readonly Counter[]): Promise<Tally[]> {
    const counts = await this.#take(counters.map((counter) => pointsOf(counter, 1)))
    return counters.map((counter, i) => tallyOfTake(counter, counts[i]!))
  }

  async giveBack(counter: Counter): Promise<void> {
    await this.#take([pointsOf(counter, -1)])
  }

  async clear(counter: Counter): Promise<void> {
    await this.#counters.delete(keyOf(counter))
  }

  async peek(counters: readonly Counter[]): Promise<Tally[]> {
    const counts = await this.#counters.find(counters.map(keyOf))
    return counters.map((counter, i) => tallyOf(counter, counts[i]))
  }

  check(): Promise<'up'> {
    return checkByUse(this)
  }

  prune(): Promise<void> {
    return this.#counters.deleteExpired()
  }

  explain(): undefined {
    return undefined
  }

  /** The pool itself replaces a connection on which a statement got no reply in time. */
  reconnect(): void {}

  close(): Promise<void> {
    return this.#counters.close()
  }
}

function pointsOf(counter: Counter, points: 1 | -1): PointsToTake {
  const { quota, windowSeconds } = counter
  return { key: keyOf(counter), points, windowSeconds, quota }
}
