import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Connection, connectionOn } from './connections.ts'
import { closeLingering } from './lingering-close.ts'
import { dropCalls, holdReading, readOn } from './reading.ts'

/** Node parses all of a packet before anything of it is done: so many calls may wait, and no more. */
const MOST_WAITING = 100

/** An answer that can wait until it is its turn on the connection. */
export type WaitingAnswer = ServerResponse & { begin?: (() => void) | undefined }

type Run = (req: IncomingMessage, res: ServerResponse) => void

/**
 * Does the calls of one connection one after the other: what was sent ahead begins when the answer
 * before it has gone to the system as a whole. So whoever reads nothing holds one answer in memory,
 * however many he asked for.
 */
export function takeInTurn(run: Run): Run {
  return (req, res) => {
    const connection = connectionOn(req.socket)
    if (connection.isOver) return
    connection.last = res
    // Node gives an answer its connection when the one before has been sent.
    if (res.socket) run(req, res)
    else waitForTurn(connection, res, run)
  }
}

/** For an answer that has been given its connection. */
export function beginTurn(res: WaitingAnswer): void {
  const { begin } = res
  if (!begin) return
  res.begin = undefined
  begin()
}

function waitForTurn(connection: Connection, res: WaitingAnswer, run: Run): void {
  const { socket } = connection
  if (connection.waiting >= MOST_WAITING) {
    connection.isOver = true
    dropCalls(socket)
    // The client sends again what was not answered (RFC 9112 9.3.2).
    res.begin = () => {
      closeLingering(socket)
    }
    return
  }
  connection.waiting += 1
  res.begin = () => {
    connection.waiting -= 1
    if (connection.waiting === 0) readOn(socket)
    run(res.req, res)
  }
  holdOnDrain(connection)
  holdReading(socket)
}

const heldOnDrain = new WeakSet<Socket>()

/** Node reads on whenever a socket has been emptied. */
function holdOnDrain(connection: Connection): void {
  const { socket } = connection
  if (heldOnDrain.has(socket)) return
  heldOnDrain.add(socket)
  socket.on('drain', () => {
    if (connection.waiting > 0) holdReading(socket)
  })
}
