import { setTimeout as pause } from 'node:timers/promises'

const PAUSE_MS = 10

/**
 * Polls until `find` returns a value. For what no test clock controls: a database, a process, a socket.
 * @throws after `withinMs` without a value
 */
export async function until<T>(
  find: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const found = await find()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline)
      throw new Error(`Not within ${String(withinMs)} ms: ${String(find)}`)
    await pause(PAUSE_MS)
  }
}
