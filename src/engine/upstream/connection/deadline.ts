import type { Clock } from '../../../ports/clock/clock.ts'
import { EngineFailure } from '../../engine.ts'

/**
 * One signal for everything that an answer opens. It aborts with the caller's reason when the
 * caller aborts, and with EngineFailure `upstream-timeout` when a step takes longer than the idle
 * timeout.
 */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #clock: Pick<Clock, 'wait'>
  #idleMs: number
  readonly #outer: AbortSignal
  readonly #onOuterAbort = () => this.#controller.abort(this.#outer.reason)

  constructor(clock: Pick<Clock, 'wait'>, idleMs: number, outer: AbortSignal) {
    this.#clock = clock
    this.#idleMs = idleMs
    this.#outer = outer
    outer.addEventListener('abort', this.#onOuterAbort, { once: true })
    if (outer.aborted) this.#onOuterAbort()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /**
   * Runs one step. Between steps the time does not count: then the consumer of the answer is slow.
   */
  async within<T>(step: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted()
    const done = new AbortController()
    void this.#expireUnless(done.signal)
    try {
      return await step()
    } catch (error) {
      // After an abort the step may fail with another error than the reason.
      this.signal.throwIfAborted()
      throw error
    } finally {
      done.abort()
    }
  }

  /** Limits every further step to `ms`. */
  shortenTo(ms: number): void {
    this.#idleMs = Math.min(this.#idleMs, ms)
  }

  /** Aborts what is still open, and releases the caller's signal. */
  end(): void {
    this.#outer.removeEventListener('abort', this.#onOuterAbort)
    this.#controller.abort()
  }

  async #expireUnless(done: AbortSignal): Promise<void> {
    const idleMs = this.#idleMs
    // The wait is aborted when the step is done in time.
    await this.#clock.wait(idleMs, done).catch(() => undefined)
    if (done.aborted) return
    this.#controller.abort(
      new EngineFailure('upstream-timeout', `the upstream sent nothing for ${String(idleMs)} ms`),
    )
  }
}
