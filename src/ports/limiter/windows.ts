import { RateLimiterRes } from 'rate-limiter-flexible'
import type { Clock } from '../clock/clock.ts'

type Window = { consumed: number; endsAtMs: number }

/**
 * Where a RateLimiterMemory keeps what it counts, in the place of its own storage, which asks the
 * machine for the time, grows without bound, and starts a timer for each key that goes off at once
 * if the window is longer than 24 days.
 *
 * All windows here have one length, so the map's order, that of their beginnings, is that of their
 * ends too: the ended ones are always in front, and making room needs no search and no timer.
 */
export class Windows {
  readonly #windows = new Map<string, Window>()
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #most: number

  /** @param most windows at once; beyond that, the one that ends first is forgotten */
  constructor(clock: Pick<Clock, 'monotonicMs'>, most: number) {
    this.#clock = clock
    this.#most = most
  }

  get size(): number {
    return this.#windows.size
  }

  /** What was consumed in the window that runs; 0 if none does. */
  consumed(key: string): number {
    const window = this.#windows.get(key)
    return window && window.endsAtMs > this.#clock.monotonicMs() ? window.consumed : 0
  }

  /** RateLimiterMemory's name. Points that are given back begin no window and never go below 0. */
  incrby(key: string, points: number, seconds: number): RateLimiterRes {
    const nowMs = this.#clock.monotonicMs()
    const window = this.#windows.get(key)
    if (window && window.endsAtMs > nowMs) {
      window.consumed = Math.max(0, window.consumed + points)
      return new RateLimiterRes(0, window.endsAtMs - nowMs, window.consumed, false)
    }
    if (points <= 0) return new RateLimiterRes(0, seconds * 1000, 0, true)
    this.#windows.delete(key)
    this.#makeRoom(nowMs)
    this.#windows.set(key, { consumed: points, endsAtMs: nowMs + seconds * 1000 })
    return new RateLimiterRes(0, seconds * 1000, points, true)
  }

  get(key: string): RateLimiterRes | null {
    const nowMs = this.#clock.monotonicMs()
    const window = this.#windows.get(key)
    if (!window || window.endsAtMs <= nowMs) return null
    return new RateLimiterRes(0, window.endsAtMs - nowMs, window.consumed, false)
  }

  delete(key: string): boolean {
    return this.#windows.delete(key)
  }

  #makeRoom(nowMs: number): void {
    for (const [key, { endsAtMs }] of this.#windows) {
      if (endsAtMs > nowMs && this.#windows.size < this.#most) return
      this.#windows.delete(key)
    }
  }
}
