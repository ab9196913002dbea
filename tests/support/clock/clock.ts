import { setImmediate as nextTurn } from 'node:timers/promises'
import { assertTimer, neverOverlapping, type Clock } from '../../../src/ports/clock/clock.ts'

interface Timer {
  dueMs: number
  readonly fire: () => void
}

/** A clock that stands still until `advance`. */
export class TestClock implements Clock {
  readonly #startMs: number
  readonly #timers = new Set<Timer>()
  #elapsedMs = 0

  constructor(start: Date | string = '2026-01-01T00:00:00.000Z') {
    this.#startMs = new Date(start).getTime()
  }

  now(): Date {
    return new Date(this.#startMs + this.#elapsedMs)
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  /** The number of pending waits and intervals: 0 if none was leaked. */
  get pending(): number {
    return this.#timers.size
  }

  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    assertTimer(ms, 0)
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const timer: Timer = {
        dueMs: this.#elapsedMs + ms,
        fire: () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        },
      }
      const abort = () => {
        this.#timers.delete(timer)
        reject(signal?.reason as Error)
      }
      this.#timers.add(timer)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  every(
    ms: number,
    run: () => void | Promise<void>,
    onError?: (error: unknown) => void,
  ): () => void {
    assertTimer(ms, 1)
    const turn = neverOverlapping(run, onError)
    const timer: Timer = {
      dueMs: this.#elapsedMs + ms,
      fire: () => {
        timer.dueMs += ms
        this.#timers.add(timer)
        turn()
      },
    }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }

  /**
   * Advances time, fires each wait and interval at its own moment and in order, and lets what they
   * start settle before the next. Does not await I/O, such as a database.
   */
  async advance(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms
    await settle()
    for (let timer = this.#next(endMs); timer; timer = this.#next(endMs)) {
      this.#elapsedMs = Math.max(this.#elapsedMs, timer.dueMs)
      this.#timers.delete(timer)
      timer.fire()
      await settle()
    }
    this.#elapsedMs = endMs
    await settle()
  }

  #next(endMs: number): Timer | undefined {
    const due = [...this.#timers].filter((timer) => timer.dueMs <= endMs)
    return due.sort((a, b) => a.dueMs - b.dueMs)[0]
  }
}

/** Settled promises run their continuations within the next turns of the event loop. */
async function settle(): Promise<void> {
  await nextTurn()
  await nextTurn()
}
