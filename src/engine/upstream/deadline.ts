import type { Clock } from '../../ports/clock/clock.ts'
import { EngineFailure } from '../engine.ts'

/**
 * One signal for everything an answer opens: it aborts with the caller's reason when the caller aborts,
 * and with EngineFailure 'upstream-timeout' when a `within` takes longer than the time without a chunk.
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

  /** Runs `work` against the clock; the clock stands still between calls, while the reader of the answer is slow. */
  async within<T>(work: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted()
    const done = new AbortController()
    void this.#expireUnless(done.signal)
    try {
      return await work()
    } catch (error) {
      // What fetch throws for an abort is not always the reason.
      this.signal.throwIfAborted()
      throw error
    } finally {
      done.abort()
    }
  }

  /** From now on nothing may take longer than `ms`. */
  shortenTo(ms: number): void {
    this.#idleMs = Math.min(this.#idleMs, ms)
  }

  /** Closes whatever is still open. */
  end(): void {
    this.#outer.removeEventListener('abort', this.#onOuterAbort)
    this.#controller.abort()
  }

  async #expireUnless(done: AbortSignal): Promise<void> {
    const idleMs = this.#idleMs
    // A wait that is cut short is the good end.
    await this.#clock.wait(idleMs, done).catch(() => undefined)
    if (done.aborted) return
    this.#controller.abort(
      new EngineFailure('upstream-timeout', `the upstream sent nothing for ${String(idleMs)} ms`),
    )
  }
}
