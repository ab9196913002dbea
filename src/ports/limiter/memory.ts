import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { Clock } from '../clock/clock.ts'
import { type Count, type Counter, type Limiter, type Tally, tallyOf } from './limiter.ts'

/** Subjects of one policy that are kept at once: about 15 MB if junk fills it. */
const MAX_SUBJECTS = 50_000

/** Counts in this process. The counters end with it. */
export class MemoryLimiter implements Limiter {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #maxSubjects: number
  readonly #policies = new Map<string, PolicyWindows>()
  #last: Promise<unknown> = Promise.resolve()

  /**
   * @param maxSubjects of each policy; beyond that, the window that ends first is dropped. Each
   *   policy has its own room, so that junk in one (addresses) displaces nothing in another.
   */
  constructor(clock: Pick<Clock, 'monotonicMs'>, maxSubjects = MAX_SUBJECTS) {
    this.#clock = clock
    this.#maxSubjects = maxSubjects
  }

  /** How many windows are kept, of all policies. */
  get size(): number {
    return [...this.#policies.values()].reduce((sum, { size }) => sum + size, 0)
  }

  take(counters: readonly Counter[]): Promise<Tally[]> {
    return this.#inTurn(async () => {
      const tallies = await this.#look(counters)
      if (tallies.some(isExhausted)) {
        return tallies.map((tally) => ({ ...tally, spent: isExhausted(tally) }))
      }
      return this.#takeAll(counters)
    })
  }

  giveBack(counter: Counter): Promise<void> {
    return this.#inTurn(() => this.#windowsOf(counter).giveBack(counter.subject))
  }

  clear(counter: Counter): Promise<void> {
    return this.#inTurn(() => this.#windowsOf(counter).delete(counter.subject))
  }

  peek(counters: readonly Counter[]): Promise<Tally[]> {
    return this.#inTurn(() => this.#look(counters))
  }

  check(): Promise<'up'> {
    return Promise.resolve('up')
  }

  prune(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** One piece of work after the other: nothing is counted between a look and what it decides. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done
    return done
  }

  #look(counters: readonly Counter[]): Promise<Tally[]> {
    return Promise.all(
      counters.map(async (counter) =>
        tallyOf(counter, await this.#windowsOf(counter).find(counter.subject)),
      ),
    )
  }

  async #takeAll(counters: readonly Counter[]): Promise<Tally[]> {
    const tallies: Tally[] = []
    for (const counter of counters) {
      tallies.push(tallyOf(counter, await this.#windowsOf(counter).take(counter.subject)))
    }
    return tallies
  }

  #windowsOf({ name, windowSeconds }: Counter): PolicyWindows {
    const key = `${name} ${windowSeconds}`
    const found = this.#policies.get(key)
    if (found) return found
    const made = new PolicyWindows(windowSeconds * 1000, this.#clock, this.#maxSubjects)
    this.#policies.set(key, made)
    return made
  }
}

function isExhausted({ remaining }: Tally): boolean {
  return remaining === 0
}

/**
 * The windows of one policy. RateLimiterMemory counts their points; when they end is decided here:
 * left to itself it asks the machine for the time, grows without bound, and starts a timer for each
 * key, which goes off at once if the window is longer than 24.8 days. A duration of 0 turns that off.
 *
 * All windows here have one length, so the order of the map, that of their beginnings, is also that
 * of their ends: those that have ended are in front, and making room needs no search and no timer.
 */
class PolicyWindows {
  /** Quotas differ between subjects and may change within a window: the caller compares. */
  readonly #points = new RateLimiterMemory({
    keyPrefix: '',
    points: Number.MAX_SAFE_INTEGER,
    duration: 0,
  })
  readonly #endsAtMs = new Map<string, number>()
  readonly #lengthMs: number
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #max: number

  constructor(lengthMs: number, clock: Pick<Clock, 'monotonicMs'>, max: number) {
    this.#lengthMs = lengthMs
    this.#clock = clock
    this.#max = max
  }

  get size(): number {
    return this.#endsAtMs.size
  }

  /** The count of the window that is open, if one is. */
  async find(subject: string): Promise<Count | undefined> {
    const resetsInMs = this.#resetsInMs(subject)
    if (resetsInMs <= 0) return undefined
    const state = await this.#points.get(subject)
    return { consumed: state?.consumedPoints ?? 0, resetsInMs }
  }

  /** Takes one point, in a new window unless one is open. */
  async take(subject: string): Promise<Count> {
    if (this.#resetsInMs(subject) <= 0) await this.#open(subject)
    const { consumedPoints } = await this.#points.consume(subject)
    return { consumed: consumedPoints, resetsInMs: this.#resetsInMs(subject) }
  }

  /** Gives back one point, if any was taken in the window that is open. */
  async giveBack(subject: string): Promise<void> {
    const count = await this.find(subject)
    if (count && count.consumed > 0) await this.#points.reward(subject)
  }

  async delete(subject: string): Promise<void> {
    this.#endsAtMs.delete(subject)
    await this.#points.delete(subject)
  }

  async #open(subject: string): Promise<void> {
    await this.delete(subject)
    await this.#makeRoom()
    this.#endsAtMs.set(subject, this.#clock.monotonicMs() + this.#lengthMs)
  }

  async #makeRoom(): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    for (const [subject, endsAtMs] of this.#endsAtMs) {
      if (endsAtMs > nowMs && this.#endsAtMs.size < this.#max) return
      await this.delete(subject)
    }
  }

  /** Positive while a window is open. */
  #resetsInMs(subject: string): number {
    return (this.#endsAtMs.get(subject) ?? 0) - this.#clock.monotonicMs()
  }
}
