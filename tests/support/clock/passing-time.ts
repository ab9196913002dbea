import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../../../src/store/store.ts'
import type { TestClock } from './clock.ts'

/** Small steps with a real pause after each, so that no lease expires while the database works. */
const STEP_MS = 50
const PAUSE_MS = 2

/** Advances these clocks until the work has succeeded or failed. */
export async function advanceUntilSettled<T>(
  clocks: readonly TestClock[],
  work: Promise<T>,
): Promise<T> {
  const state = { isSettled: false }
  const settle = () => {
    state.isSettled = true
  }
  work.then(settle, settle)
  while (!state.isSettled) {
    for (const clock of clocks) await clock.advance(STEP_MS)
    await pause(PAUSE_MS)
  }
  return work
}

/** The interval at which an instance checks its database. */
const LOOK_MS = 5_000

/** Advances the clock and lets each check of the database that is due succeed. */
export async function advanceWithPings(
  clock: TestClock,
  store: Pick<Store, 'ping'>,
  ms: number,
): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= LOOK_MS) {
    await clock.advance(Math.min(leftMs, LOOK_MS))
    await store.ping()
  }
}
