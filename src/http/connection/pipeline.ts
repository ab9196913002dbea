import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Connection, connectionOn } from './connections.ts'
import { closeLingering } from './lingering-close.ts'
import { dropCalls, holdReading, readOn } from './reading.ts'

/** Node parses all of a packet before anything of it is done: so many calls may wait, and no more. */
const MOST_WAITING = 100
/** From here on nothing more is read; the price is that nobody hears a client hang up. */
const HELD_FROM = 10

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
  if (connection.waiting === HELD_FROM) hold(socket)
  res.begin = () => {
    if (connection.waiting === HELD_FROM) letGo(socket)
    connection.waiting -= 1
    run(res.req, res)
  }
}

function hold(socket: Socket): void {
  holdReading(socket)
  // Node reads on whenever a socket has been emptied.
  socket.on('drain', holdAgain)
}

function letGo(socket: Socket): void {
  socket.off('drain', holdAgain)
  readOn(socket)
}

function holdAgain(this: Socket): void {
  holdReading(this)
}
