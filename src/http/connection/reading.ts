import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** Fields that Node keeps on a socket for pauses of its own. */
type HeldSocket = Socket & {
  _paused?: boolean
  parser?: { resume(): void; onIncoming: (req: IncomingMessage) => number } | null
}

/** Stops reading a connection; what has arrived is still parsed. */
export function holdReading(socket: HeldSocket): void {
  // Without it Node reads on after each call that it has parsed.
  socket._paused = true
  socket.pause()
}

/** Undoes `holdReading`. */
export function readOn(socket: HeldSocket): void {
  socket._paused = false
  socket.parser?.resume()
  socket.resume()
}

/** Drops the calls that are left in the packet: Node would keep a request and a response for each. */
export function dropCalls({ parser }: HeldSocket): void {
  if (!parser) return
  parser.onIncoming = (req) => {
    Object.assign(req, { upgrade: false })
    return 0
  }
}
