import { TestClock } from './clock.ts'

/** A test clock whose wall can jump by days without the work of every timer on the way. */
export class JumpingClock extends TestClock {
  #jumpedMs = 0

  override now(): Date {
    return new Date(super.now().getTime() + this.#jumpedMs)
  }

  jump(ms: number): void {
    this.#jumpedMs += ms
  }
}

export const SECOND_MS = 1_000
export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000
