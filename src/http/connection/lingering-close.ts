import type { Socket } from 'node:net'
import { systemClock } from '../../ports/clock/clock.ts'
import { readOn } from './reading.ts'

/** Whoever still sends, or never hangs up, has so long: in real time, as all of a connection. */
const LINGER_MS = 5_000

const lingering = new WeakSet<Socket>()

/** Whether the last answer on this connection has been given. */
export function isLingering(socket: Socket): boolean {
  return lingering.has(socket)
}

/**
 * Says that nothing more will come, and closes the connection once the client does, or has had its
 * time (RFC 9112 9.6). Closed at once, it would be reset by what the client still sends, and that
 * takes the answer with it; closed by the client alone, it would stay for as long as he likes.
 */
export function closeLingering(socket: Socket): void {
  if (lingering.has(socket)) return
  lingering.add(socket)
  const stop = systemClock.every(LINGER_MS, () => {
    socket.destroy()
  })
  socket.once('close', stop)
  socket.end()
  // What still comes is thrown away.
  readOn(socket)
}
