import type { Services } from '../domain/services.ts'
import type { ConnectedServer } from '../http/connection/server.ts'
import type { Clock } from '../ports/clock/clock.ts'

/** Connections that have no call any more are closed so often: a client that keeps one must not keep us. */
const CLOSE_FREE_EVERY_MS = 100
/**
 * But only those that have had none for so long, or for a quarter of the grace: a proxy sends its next call
 * on the one that it used last, and a POST that meets its end is a 502. Its answer says that it was the last.
 */
const FREE_MS = 1_000
/** Who is in the middle of sending a call may go on for so long, or for half of the grace. */
const LAST_CALLS_MS = 5_000
/** After the grace, the last events get so long to reach their readers. */
const LAST_WORDS_MS = 1_000

/**
 * Takes no new connections, lets running calls and answers end within the grace, and ends what is
 * left then: each stream with its terminal event, the text so far kept.
 * @returns whether everything ended by itself
 */
export async function stopServing(
  { server, connections }: ConnectedServer,
  { status, generations }: Services,
  clock: Clock,
  graceSeconds: number,
): Promise<'clean' | 'cut'> {
  status.drain()
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve()
    })
  })
  const begunAtMs = clock.monotonicMs()
  const freeMs = Math.min(FREE_MS, graceSeconds * 250)
  const lastCallsMs = Math.min(LAST_CALLS_MS, graceSeconds * 500)
  const stopClosing = clock.every(CLOSE_FREE_EVERY_MS, () => {
    const passedMs = clock.monotonicMs() - begunAtMs
    // Half a head is no call, and Node's own time for it has ended with `close`.
    if (passedMs >= freeMs) connections.closeFree(freeMs)
    if (passedMs >= lastCallsMs) connections.closeSending()
  })
  // Until the last connection is gone, a call that was under way may still begin an answer.
  const settled = closed.then(() => generations.settled())
  const isClean = await within(clock, graceSeconds * 1000, settled)
  if (!isClean) {
    generations.stopAll()
    await generations.settled()
    await within(clock, LAST_WORDS_MS, closed)
    server.closeAllConnections()
  }
  stopClosing()
  return isClean ? 'clean' : 'cut'
}

/** Whether `work` is done in so many milliseconds. */
async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  const over = new AbortController()
  const late = clock.wait(ms, over.signal).then(
    () => false,
    () => true,
  )
  const inTime = await Promise.race([work.then(() => true), late])
  over.abort()
  return inTime
}
