import type { EventLoop } from '../../ports/clock/event-loop.ts'

/** Characters of one response that are written in a turn of the event loop: some 2 ms of work. */
const CHARACTERS_PER_TURN = 65_536

/** Takes how many characters of a response were written; resolves when writing may go on. */
export type Pace = (characters: number) => Promise<void> | undefined

/**
 * Lets other calls be read while a long response is written: where its reader takes all of it at
 * once, nothing else would.
 */
export function createPace(eventLoop: EventLoop): Pace {
  let written = 0
  return (characters) => {
    written += characters
    if (written < CHARACTERS_PER_TURN) return undefined
    written = 0
    return eventLoop.yield()
  }
}
