import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Unacknowledged } from '../../ports/unacknowledged.ts'

/** A reader that takes nothing for this long is disconnected (CONTRACT: limits). */
const STALLED_READER_MS = 30_000
/** How exactly that is known, and how often the system is asked. */
const LOOK_EVERY_MS = 5_000
const NOTHING: ReadonlyMap<Socket, number> = new Map()

type Reader = { taken: number; sinceMs: number; drop: () => void }

/** Closes every connection whose reader takes nothing of what is written to it. */
export class ReaderWatch {
  readonly #clock: Clock
  readonly #unacknowledged: Unacknowledged
  readonly #readers = new Map<Socket, Reader>()
  #stop: (() => void) | undefined

  /** @param unacknowledged what the system knows of bytes that have left the process */
  constructor(clock: Clock, unacknowledged: Unacknowledged) {
    this.#clock = clock
    this.#unacknowledged = unacknowledged
  }

  /** Watches a connection until all that was written to it has gone to the system. */
  watch(socket: Socket): void {
    // A socket that is closed emits nothing any more.
    if (socket.destroyed || this.#readers.has(socket)) return
    const drop = () => {
      this.#readers.delete(socket)
      socket.off('drain', drop).off('close', drop)
      if (this.#readers.size === 0) this.#rest()
    }
    socket.once('drain', drop).once('close', drop)
    // Nothing is known before the first look.
    this.#readers.set(socket, { taken: Number.NaN, sinceMs: this.#clock.monotonicMs(), drop })
    this.#stop ??= this.#clock.every(LOOK_EVERY_MS, () => this.#look())
  }

  #rest(): void {
    this.#stop?.()
    this.#stop = undefined
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [socket, { drop }] of this.#readers) if (socket.writableLength === 0) drop()
    const sockets = [...this.#readers.keys()]
    const queued = sockets.length === 0 ? NOTHING : this.#unacknowledged(sockets)
    for (const [socket, reader] of this.#readers) {
      const taken = takenOf(socket) - (queued.get(socket) ?? 0)
      if (taken !== reader.taken) Object.assign(reader, { taken, sinceMs: nowMs })
      else if (nowMs - reader.sinceMs >= STALLED_READER_MS) socket.destroy()
    }
  }
}

/** Resolves when the reader has taken what was written, or has left. */
export async function drained(res: ServerResponse): Promise<void> {
  // A reader that left while the next piece was fetched emits nothing again.
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
 * A number that changes when the system has taken more bytes, and at no other time: Node counts whole
 * pieces, libuv the rest of the one that it is writing.
 */
function takenOf(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { _handle?: { writeQueueSize?: number } | null }
  return socket.bytesWritten - socket.writableLength - (handle?.writeQueueSize ?? 0)
}
