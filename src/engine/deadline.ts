import { EngineFailure } from './engine.ts'

/**
 * One signal for everything an answer opens: it aborts with the caller's reason when the caller aborts,
 * and with EngineFailure 'upstream-timeout' when a `within` takes longer than the time without a chunk.
 */
export class Deadline {
  readonly #controller = new AbortController()
  #idleMs: number
  readonly #outer: AbortSignal
  readonly #onOuterAbort = () => this.#controller.abort(this.#outer.reason)

  constructor(idleMs: number, outer: AbortSignal) {
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
    const timer = setTimeout(() => this.#expire(), this.#idleMs)
    try {
      return await work()
    } catch (error) {
      // What fetch throws for an abort is not always the reason.
      this.signal.throwIfAborted()
      throw error
    } finally {
      clearTimeout(timer)
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

  #expire(): void {
    this.#controller.abort(
      new EngineFailure('upstream-timeout', `nothing came for ${this.#idleMs} ms`),
    )
  }
}
