import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../../../src/store/store.ts'
import type { TestClock } from './clock.ts'

/** Small, and with a real pause behind each: no lease runs out while the database is at work. */
const STEP_MS = 50
const PAUSE_MS = 2

/** Lets time pass on these clocks until the work is done. */
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

/** How often an instance looks for its database. */
const LOOK_MS = 5_000

/** Lets so much time pass as an instance sees it that has its database: each look is answered. */
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
