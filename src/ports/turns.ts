import { setImmediate as later } from 'node:timers/promises'

/**
 * Turns of the event loop. Work that is long for one turn is done piece by piece, each in a turn of
 * its own, so that whoever calls meanwhile is heard in between.
 */
export interface Turns {
  /**
   * Resolves in a turn that no other piece has: one piece a turn, first come first served, whoever
   * they belong to.
   */
  next(): Promise<void>
}

/** @param nextTurn resolves in the next turn of the event loop, after what has come in was heard */
export function createTurns(nextTurn: () => Promise<unknown> = later): Turns {
  const waiting: (() => void)[] = []
  let isPassing = false

  const pass = async (): Promise<void> => {
    isPassing = true
    while (waiting.length > 0) {
      await nextTurn()
      waiting.shift()!()
    }
    isPassing = false
  }

  return {
    next() {
      const come = new Promise<void>((resolve) => waiting.push(resolve))
      if (!isPassing) void pass()
      return come
    },
  }
}
