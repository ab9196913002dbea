/** One thing that is counted: `quota` points for a subject in a fixed window. */
export type Counter = { name: string; subject: string; quota: number; windowSeconds: number }

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
   * What happens while the store that several instances share cannot be asked: `local` counts in
   * this process (the default), `refuse` throws LimiterUnavailable.
   */
  whenDown?: 'local' | 'refuse'
}

/**
 * Counts calls in fixed windows that begin with their first call. What was counted belongs to the
 * name, the window's length and the subject; a quota is only compared with it, so that a changed
 * quota resets nothing. A store that fails is never taken for a quota that is spent.
 */
export interface Limiter {
  /**
   * Takes one point of every counter, or of none if one of them is spent. No counter comes twice.
   * @throws LimiterUnavailable if the store is away and `whenDown` is `refuse`
   */
  take(counters: readonly Counter[], options?: TakeOptions): Promise<Tally[]>
  /** Gives one point back, unless the window it was taken in has ended. */
  giveBack(counter: Counter): Promise<void>
  /** Forgets what was counted. */
  clear(counter: Counter): Promise<void>
  peek(counters: readonly Counter[]): Promise<Tally[]>
  /** Whether it can count where it should. */
  check(): Promise<'up' | 'down'>
  /** Deletes what has expired where a store does not by itself; for an hourly job. */
  prune(): Promise<void>
  close(): Promise<void>
}

/** The limits cannot be counted now, and this call must not go on without. */
export class LimiterUnavailable extends Error {
  override readonly name = 'LimiterUnavailable'
  /** Whole seconds after which the store may be back, at least 1. */
  readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number) {
    super('The store of the limits does not answer.')
    this.retryAfterSeconds = retryAfterSeconds
  }
}
