import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Connection, connectionOn } from './connections.ts'
import { closeLingering } from './lingering-close.ts'
import { dropCalls, holdReading, readOn } from './reading.ts'

/** Node parses a whole packet before its first call runs: no more calls than this may wait. */
const MAX_WAITING = 100
/** From here on nothing more is read; the price is that a client that hangs up is not noticed. */
const HELD_FROM = 10

/** A response that can wait for its turn on the connection. */
export type WaitingResponse = ServerResponse & { start?: (() => void) | undefined }

type Run = (req: IncomingMessage, res: ServerResponse) => void

/**
 * Runs the calls of one connection one after the other: a call that was sent ahead starts when the
 * whole response before it has gone to the system. A client that reads nothing thus holds one
 * response in memory, however many calls it has sent.
 */
export function takeInTurn(run: Run): Run {
  return (req, res) => {
    const connection = connectionOn(req.socket)
    if (connection.isOver) return
    connection.last = res
    // Node assigns a response its socket when the one before has been sent.
    if (res.socket) run(req, res)
    else waitForTurn(connection, res, run)
  }
}

/** Starts the call of a response that has been assigned its socket. */
export function startTurn(res: WaitingResponse): void {
  const { start } = res
  if (!start) return
  res.start = undefined
  start()
}

function waitForTurn(connection: Connection, res: WaitingResponse, run: Run): void {
  const { socket } = connection
  if (connection.waiting >= MAX_WAITING) {
    connection.isOver = true
    dropCalls(socket)
    // The client sends again the calls that got no response (RFC 9112 9.3.2).
    res.start = () => {
      closeLingering(socket)
    }
    return
  }
  connection.waiting += 1
  if (connection.waiting === HELD_FROM) hold(socket)
  res.start = () => {
    if (connection.waiting === HELD_FROM) letGo(socket)
    connection.waiting -= 1
    run(res.req, res)
  }
}

function hold(socket: Socket): void {
  holdReading(socket)
  // Node reads on whenever the buffer of a socket has drained.
  socket.on('drain', holdAgain)
}

function letGo(socket: Socket): void {
  socket.off('drain', holdAgain)
  readOn(socket)
}

function holdAgain(this: Socket): void {
  holdReading(this)
}
