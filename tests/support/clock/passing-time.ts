import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../../../src/store/store.ts'
import type { TestClock } from './clock.ts'

/** Small steps with a real pause after each, so that no lease expires while the database works. */
const STEP_MS = 50
const PAUSE_MS = 2

/** Advances these clocks until the work is done. */
export async function whileTimePasses<T>(
  clocks: readonly TestClock[],
  work: Promise<T>,
): Promise<T> {
  const state = { isOver: false }
  const over = () => {
    state.isOver = true
  }
  work.then(over, over)
  while (!state.isOver) {
    for (const clock of clocks) await clock.advance(STEP_MS)
    await pause(PAUSE_MS)
  }
  return work
}

/** The interval at which an instance checks its database. */
const LOOK_MS = 5_000

/** Advances the clock and lets each check of the database that is due succeed. */
export async function passInSight(
  clock: TestClock,
  store: Pick<Store, 'ping'>,
  ms: number,
): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= LOOK_MS) {
    await clock.advance(Math.min(leftMs, LOOK_MS))
    await store.ping()
  }
}
