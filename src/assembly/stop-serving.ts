import type { Services } from '../domain/services.ts'
import type { Connections } from '../http/connection/connections.ts'
import type { ConnectedServer } from '../http/connection/server.ts'
import type { Clock } from '../ports/clock/clock.ts'

/** How often connections without a call are closed: clients that keep one must not delay the stop. */
const CLOSE_FREE_EVERY_MS = 100
/**
 * Only connections that have had no call for this long, or for a quarter of the grace period, are closed:
 * a proxy sends its next call on the one that it used last, and a POST that meets the close is a 502. The
 * last response on a connection says that it is the last.
 */
const FREE_MS = 1_000
/** A client that is sending a call may go on for this long, or for half of the grace period. */
const LAST_CALLS_MS = 5_000
/** After the grace period, the time that the last events have to reach their readers. */
const LAST_WORDS_MS = 1_000

/**
 * Takes no new connections, lets running calls and answers end within the grace period, and then ends
 * the rest: each stream with its terminal event, and the text so far is stored.
 * @returns `clean` if everything ended by itself
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
  const stopClosing = closeConnections(connections, clock, graceSeconds)
  // Until the last connection is closed, a call in progress may still start an answer.
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

/** Closes connections as they become free. @returns stops it */
function closeConnections(
  connections: Connections,
  clock: Clock,
  graceSeconds: number,
): () => void {
  const startMs = clock.monotonicMs()
  const freeMs = Math.min(FREE_MS, graceSeconds * 250)
  const lastCallsMs = Math.min(LAST_CALLS_MS, graceSeconds * 500)
  return clock.every(CLOSE_FREE_EVERY_MS, () => {
    const passedMs = clock.monotonicMs() - startMs
    // Half a head is no call, and Node's own timeout for it ended with `close`.
    if (passedMs >= freeMs) connections.closeFree(freeMs)
    if (passedMs >= lastCallsMs) connections.closeSending()
  })
}

/** Whether `work` is done within `ms` milliseconds. */
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
