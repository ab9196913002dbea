import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Unacknowledged } from '../../ports/unacknowledged.ts'

/** A reader that takes nothing for so long is cut (CONTRACT: limits). */
const STALLED_READER_MS = 30_000
/** How exactly that is known, and how often the system is asked. */
const LOOK_EVERY_MS = 5_000
const NOTHING: ReadonlyMap<Socket, number> = new Map()

/** Cuts every connection whose reader takes nothing of what is written to it. */
export type ReaderWatch = {
  /** Looks after a connection until all that was written to it has gone to the system. */
  watch(socket: Socket): void
}

type Reader = { taken: number; sinceMs: number; forget: () => void }

/** @param unacknowledged what the system knows of bytes that have left the process */
export function createReaderWatch(clock: Clock, unacknowledged: Unacknowledged): ReaderWatch {
  const readers = new Map<Socket, Reader>()
  let stop: (() => void) | undefined

  const look = () => {
    const now = clock.monotonicMs()
    for (const [socket, { forget }] of readers) if (socket.writableLength === 0) forget()
    const queued = readers.size === 0 ? NOTHING : unacknowledged([...readers.keys()])
    for (const [socket, reader] of readers) {
      const taken = takenOf(socket) - (queued.get(socket) ?? 0)
      if (taken !== reader.taken) Object.assign(reader, { taken, sinceMs: now })
      else if (now - reader.sinceMs >= STALLED_READER_MS) socket.destroy()
    }
  }

  return {
    watch(socket) {
      // Of a socket that is gone nothing would be heard any more.
      if (socket.destroyed || readers.has(socket)) return
      const forget = () => {
        readers.delete(socket)
        socket.off('drain', forget).off('close', forget)
        if (readers.size > 0) return
        stop?.()
        stop = undefined
      }
      socket.once('drain', forget).once('close', forget)
      // Nothing is known before the first look.
      readers.set(socket, { taken: Number.NaN, sinceMs: clock.monotonicMs(), forget })
      stop ??= clock.every(LOOK_EVERY_MS, look)
    },
  }
}

/** Waits until the reader has taken what was written, or is gone. */
export async function drained(res: ServerResponse): Promise<void> {
  // Whoever left while the next piece was fetched will not say so again.
  if (res.closed || res.destroyed) return
  const over = new AbortController()
  const closed = once(res, 'close', { signal: over.signal })
  const empty = once(res, 'drain', { signal: over.signal })
  try {
    await Promise.race([closed, empty])
  } finally {
    over.abort()
    await Promise.allSettled([closed, empty])
  }
}

/**
 * A number that changes whenever the system has taken something more, and by nothing else: Node counts
 * whole pieces, libuv what is left of the one that it is writing.
 */
function takenOf(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { _handle?: { writeQueueSize?: number } | null }
  return socket.bytesWritten - socket.writableLength - (handle?.writeQueueSize ?? 0)
}
