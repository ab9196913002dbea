import type { Socket } from 'node:net'
import { systemClock } from '../../ports/clock/clock.ts'
import { readOn } from './reading.ts'

/** How long a client may go on sending or keep the connection; real time, as for all connections. */
const LINGER_MS = 5_000

const lingering = new WeakSet<Socket>()

/** Whether the last response on this connection has been sent. */
export function isLingering(socket: Socket): boolean {
  return lingering.has(socket)
}

/**
 * Says that nothing more will come, and closes the connection when the client does, or when its time
 * is over (RFC 9112 9.6). If it were closed at once, what the client still sends would reset it, and
 * the response would be lost; if only the client closed it, it could stay open without end.
 */
export function closeLingering(socket: Socket): void {
  if (lingering.has(socket)) return
  lingering.add(socket)
  const stop = systemClock.every(LINGER_MS, () => {
    socket.destroy()
  })
  socket.once('close', stop)
  socket.end()
  // What still comes is discarded.
  readOn(socket)
}
