import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** What Node keeps on a socket for pauses of its own. */
type HeldSocket = Socket & {
  _paused?: boolean
  parser?: { resume(): void; onIncoming: (req: IncomingMessage) => number } | null
}

/** Takes nothing more from a connection; what has arrived already is still parsed. */
export function holdReading(socket: HeldSocket): void {
  // Without it Node reads on after each call that it has parsed.
  socket._paused = true
  socket.pause()
}

export function readOn(socket: HeldSocket): void {
  socket._paused = false
  socket.parser?.resume()
  socket.resume()
}

/** Drops the calls that are still in the packet: Node would keep a request and an answer for each. */
export function dropCalls({ parser }: HeldSocket): void {
  if (!parser) return
  parser.onIncoming = (req) => {
    Object.assign(req, { upgrade: false })
    return 0
  }
}
