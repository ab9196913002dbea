import type { Clock } from '../clock/clock.ts'
import { inTime, TooSlow } from '../clock/in-time.ts'
import type { Log } from '../observability/log.ts'
import {
  type Counter,
  type Limiter,
  LimiterUnavailable,
  type SharedLimiter,
  type TakeOptions,
  type Tally,
} from './limiter.ts'

/** The longest that a call waits for the store. */
const PATIENCE_MS = 300
/** While the store is unavailable no call waits for it; a probe asks this often. */
const PROBE_EVERY_MS = 1_000
const RETRY_AFTER_SECONDS = 2

/**
 * Counts in the shared store, and in this process while that is unavailable. One failure is enough
 * to turn away from it; one probe that counts is enough to turn back.
 */
export class FallbackLimiter implements Limiter {
  readonly #shared: SharedLimiter
  readonly #local: Limiter
  readonly #clock: Clock
  readonly #log: Log
  /** Set while the store is unavailable. */
  #stopProbing: (() => void) | undefined
  #loggedReason: string | undefined

  /** @param local counts in the meantime; what it counted stays for the next time */
  constructor(shared: SharedLimiter, local: Limiter, { clock, log }: { clock: Clock; log: Log }) {
    this.#shared = shared
    this.#local = local
    this.#clock = clock
    this.#log = log
  }

  take(counters: readonly Counter[], { whenDown = 'local' }: TakeOptions = {}): Promise<Tally[]> {
    const otherwise = whenDown === 'refuse' ? refuse : () => this.#local.take(counters)
    return this.#ask(() => this.#shared.take(counters), otherwise)
  }

  giveBack(counter: Counter): Promise<void> {
    return this.#ask(
      () => this.#shared.giveBack(counter),
      () => this.#local.giveBack(counter),
    )
  }

  clear(counter: Counter): Promise<void> {
    return this.#ask(
      () => this.#shared.clear(counter),
      () => this.#local.clear(counter),
    )
  }

  peek(counters: readonly Counter[]): Promise<Tally[]> {
    return this.#ask(
      () => this.#shared.peek(counters),
      () => this.#local.peek(counters),
    )
  }

  check(): Promise<'up' | 'down'> {
    return this.#ask<'up' | 'down'>(
      () => this.#shared.check(),
      async () => 'down',
    )
  }

  async prune(): Promise<void> {
    if (!this.#stopProbing) await this.#shared.prune()
  }

  async close(): Promise<void> {
    this.#stopProbing?.()
    await this.#shared.close()
  }

  /** Asks the store, and `otherwise` if it is unavailable or turns out to be. */
  async #ask<T>(work: () => Promise<T>, otherwise: () => Promise<T>): Promise<T> {
    if (this.#stopProbing) return otherwise()
    try {
      return await inTime(work(), PATIENCE_MS, this.#clock)
    } catch (error) {
      this.#turnAway(error)
      return otherwise()
    }
  }

  #turnAway(error: unknown): void {
    if (this.#stopProbing) return
    this.#loggedReason = this.#shared.explain(error)?.sentence
    const reason = this.#loggedReason !== undefined && { reason: this.#loggedReason }
    this.#log.error(
      { err: error, ...reason },
      'limit store unavailable: each process counts on its own',
    )
    if (error instanceof TooSlow) this.#shared.reconnect()
    this.#stopProbing = this.#clock.every(PROBE_EVERY_MS, () => this.#probe())
  }

  async #probe(): Promise<void> {
    try {
      await inTime(this.#shared.check(), PATIENCE_MS, this.#clock)
    } catch (error) {
      if (error instanceof TooSlow) this.#shared.reconnect()
      this.#logIfNew(error)
      return
    }
    this.#stopProbing?.()
    this.#stopProbing = undefined
    this.#log.warn('limit store available again')
  }

  /** A store that came back as something else (a replica, say) needs the operator. */
  #logIfNew(error: unknown): void {
    const fault = this.#shared.explain(error)
    if (!fault || fault.passing || fault.sentence === this.#loggedReason) return
    this.#loggedReason = fault.sentence
    this.#log.error({ reason: fault.sentence }, 'limit store still unavailable')
  }
}

function refuse(): Promise<never> {
  return Promise.reject(new LimiterUnavailable(RETRY_AFTER_SECONDS))
}
