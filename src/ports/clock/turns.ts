import { setImmediate as later } from 'node:timers/promises'
import { systemClock } from './clock.ts'

/**
 * Node takes one new connection in each turn: after a piece of work there is a turn without one for
 * each so many milliseconds that it took, so that a crowd at the door does not keep others out.
 */
const MS_OF_A_TURN = 0.5
const MOST_TURNS_BETWEEN = 10

/**
 * Turns of the event loop. Work that is long for one turn is done piece by piece, each in a turn of
 * its own, so that whoever calls meanwhile is heard in between.
 */
export interface Turns {
  /**
   * Resolves in a turn that no other piece has: at once if there was none in this one. One piece a
   * turn, first come first served, whoever they belong to.
   */
  take(): Promise<void>
}

/**
 * @param nextTurn resolves in the next turn of the event loop, after what has come in was heard
 * @param monotonicMs in real time, whatever the clock of the program says
 */
export function createTurns(
  nextTurn: () => Promise<unknown> = later,
  monotonicMs = systemClock.monotonicMs,
): Turns {
  const waiting: (() => void)[] = []
  let isTaken = false

  const hearOthers = async (begunAtMs: number): Promise<void> => {
    await nextTurn()
    const between = Math.floor((monotonicMs() - begunAtMs) / MS_OF_A_TURN)
    for (let i = 0; i < Math.min(between, MOST_TURNS_BETWEEN); i += 1) await nextTurn()
  }

  const passOn = async (): Promise<void> => {
    isTaken = true
    await hearOthers(monotonicMs())
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      next()
      await hearOthers(monotonicMs())
    }
    isTaken = false
  }

  return {
    async take() {
      if (isTaken) await new Promise<void>((resolve) => waiting.push(resolve))
      else void passOn()
    },
  }
}
