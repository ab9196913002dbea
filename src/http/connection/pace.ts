import type { Turns } from '../../ports/clock/turns.ts'

/** Characters of one answer that are written in a turn of the event loop: some 2 ms of work. */
const A_TURN = 65_536

/** Told how much of an answer was written; resolves when it may go on. */
export type Pace = (characters: number) => Promise<void> | undefined

/**
 * Lets others be heard while a long answer is written: where its reader takes all at once, nothing
 * else would.
 */
export function createPace(turns: Turns): Pace {
  let written = 0
  return (characters) => {
    written += characters
    if (written < A_TURN) return undefined
    written = 0
    return turns.take()
  }
}
