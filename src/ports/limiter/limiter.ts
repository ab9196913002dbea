import type { StoreFault } from '../redis/faults.ts'

/** What is counted: points of one subject, `quota` of them in a fixed window. */
export type Counter = { name: string; subject: string; quota: number; windowSeconds: number }

/** The points that a window holds. Of a point that was refused, what it would hold with it. */
export type Count = { consumed: number; resetsInMs: number }

/** How a counter stands. `spent` says that it refused a point that was asked of it. */
export type Tally = {
  quota: number
  windowSeconds: number
  remaining: number
  resetsInMs: number
  spent: boolean
}

export type TakeOptions = {
  /**
   * What happens while the store that several instances share is unavailable: `local` counts in
   * this process (the default), `refuse` throws LimiterUnavailable.
   */
  whenDown?: 'local' | 'refuse'
}

/**
 * Counts calls in fixed windows that begin with their first call. A count belongs to the name, the
 * length of the window and the subject; a quota is only compared with it, so that a changed quota
 * resets nothing. A store that fails is never taken for a quota that is exceeded.
 */
export interface Limiter {
  /**
   * Takes one point of every counter, or of none if one of them refuses. No counter comes twice.
   * @throws LimiterUnavailable if the store is unavailable and `whenDown` is `refuse`
   */
  take(counters: readonly Counter[], options?: TakeOptions): Promise<Tally[]>
  /** Gives one point back, unless the window it was taken in has ended. */
  giveBack(counter: Counter): Promise<void>
  /** Deletes the count. */
  clear(counter: Counter): Promise<void>
  /** How the counters stand, without counting. */
  peek(counters: readonly Counter[]): Promise<Tally[]>
  /** Whether it counts where it should. */
  check(): Promise<'up' | 'down'>
  /** Deletes what has expired where the store does not do so itself; for an hourly job. */
  prune(): Promise<void>
  close(): Promise<void>
}

/** A limiter whose counters several instances share. Every method throws when the store fails. */
export interface SharedLimiter extends Limiter {
  /** What an operator should know of a failure, where it is known. */
  explain(error: unknown): StoreFault | undefined
  /** Replaces a connection on which no reply comes. */
  reconnect(): void
}

/** The limits cannot be counted now, and this call must not proceed without. */
export class LimiterUnavailable extends Error {
  override readonly name = 'LimiterUnavailable'
  /** Whole seconds after which the store may be available again, at least 1. */
  readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number) {
    super('The store of the limits does not answer.')
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** The key of a counter in a store. The quota is no part of it. */
export function keyOf({ name, windowSeconds, subject }: Counter): string {
  return `${name}:${windowSeconds}:${subject}`
}

/** How a counter stands; without a count, no window of it is open. */
export function tallyOf({ quota, windowSeconds }: Counter, count: Count | undefined): Tally {
  return {
    quota,
    windowSeconds,
    remaining: count ? Math.max(0, quota - count.consumed) : quota,
    resetsInMs: count ? Math.max(0, count.resetsInMs) : windowSeconds * 1000,
    spent: false,
  }
}

/** How a counter stands after a point was asked of it. */
export function tallyOfTake(counter: Counter, count: Count): Tally {
  return { ...tallyOf(counter, count), spent: count.consumed > counter.quota }
}

/** Two, because a call has several counters, and a cluster refuses only several keys at a time. */
const PROBES = ['one', 'other'].map((subject): Counter => {
  return { name: 'probe', subject, quota: 1_000_000_000, windowSeconds: 60 }
})

/**
 * Does all that calls do: a store may respond and yet be read-only, full or a cluster, or refuse
 * one of the commands to this user.
 * @throws whatever the store throws
 */
export async function checkByUse(limiter: Limiter): Promise<'up'> {
  await limiter.take(PROBES)
  const [one, other] = PROBES
  await Promise.all([limiter.peek(PROBES), limiter.giveBack(one!), limiter.clear(other!)])
  return 'up'
}
