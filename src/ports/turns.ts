import { setImmediate as later } from 'node:timers/promises'

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

/** @param nextTurn resolves in the next turn of the event loop, after what has come in was heard */
export function createTurns(nextTurn: () => Promise<unknown> = later): Turns {
  const waiting: (() => void)[] = []
  let isTaken = false

  const passOn = async (): Promise<void> => {
    isTaken = true
    await nextTurn()
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      next()
      await nextTurn()
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
