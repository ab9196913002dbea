import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../ports/clock/clock.ts'
import { isLingering } from './lingering-close.ts'

/** What is known of a connection beyond what Node tells. */
export type Connection = {
  readonly socket: Socket
  /** The answer to its newest call: those before are given first. */
  last?: ServerResponse
  /** How many calls wait for the answers before them. */
  waiting: number
  /** Since when no call is under way, in milliseconds of the clock. */
  freeSinceMs: number
  /** How much had come by then, and whether more has been seen since. */
  bytesByThen: number
  isSpeaking: boolean
  /** Nothing that still comes is done (RFC 9112 9.6). */
  isOver: boolean
}

/** The connections of a server. */
export type Connections = {
  /** Knows every connection from its beginning, those without a handshake too. */
  track(server: Server): void
  /** A call is over, and perhaps none is under way any more. */
  noteEnd(socket: Socket): void
  /** Closes what has had no call under way for so long. */
  closeFree(forMs: number): void
  /** Closes what goes on sending: calls that have not come whole, and what comes after the last answer. */
  closeSending(): void
}

/** What Node takes for no beginning, line breaks say, has no other end than this. */
const LONGEST_SILENT_MS = 30_000
/** An answered connection that says nothing has Node's 75 s. */
const LONGEST_FREE_MS = 100_000
const LOOK_EVERY_MS = 5_000

const connectionOf = new WeakMap<Socket, Connection>()

/** The connection behind a socket that a server has accepted. */
export function connectionOn(socket: Socket): Connection {
  const known = connectionOf.get(socket)
  if (known) return known
  const connection = {
    socket,
    waiting: 0,
    freeSinceMs: 0,
    bytesByThen: 0,
    isSpeaking: false,
    isOver: false,
  }
  connectionOf.set(socket, connection)
  return connection
}

/** Whether no call is under way on it; what it is in the middle of sending is none yet. */
export function isFree({ last }: Connection): boolean {
  return last === undefined || last.writableFinished
}

/** Whether it is the turn of a call that is not there yet as a whole. */
function isSending({ last, waiting }: Connection): boolean {
  return last !== undefined && waiting === 0 && !last.headersSent && !last.req.complete
}

/** What is sent between calls is the next one's beginning, or none: its time begins when it is seen. */
function noteSpeaking(connection: Connection, nowMs: number): void {
  const { last, socket, bytesByThen, isSpeaking } = connection
  if (last === undefined || isSpeaking || socket.bytesRead === bytesByThen) return
  connection.isSpeaking = true
  connection.freeSinceMs = nowMs
}

/** Whether it was answered and has said nothing since, as a proxy keeps it for its next call. */
function isIdle({ last, isSpeaking }: Connection): boolean {
  return last !== undefined && !isSpeaking
}

/** Whose last answer is on its way has a few seconds of his own. */
function closeIfFree(connection: Connection): void {
  const { socket } = connection
  if (isFree(connection) && !isLingering(socket)) socket.destroy()
}

export function createConnections(clock: Clock): Connections {
  const open = new Map<string, Connection>()
  const add = (socket: Socket) => {
    // With TLS the secure connection takes the place of the one below it.
    const peer = `${socket.remoteAddress} ${socket.remotePort}`
    const connection = connectionOn(socket)
    connection.freeSinceMs = clock.monotonicMs()
    open.set(peer, connection)
    socket.once('close', () => {
      if (open.get(peer) === connection) open.delete(peer)
    })
  }
  const closeIfFor = (limitOf: (connection: Connection) => number) => {
    const now = clock.monotonicMs()
    for (const connection of open.values()) {
      if (connection.freeSinceMs <= now - limitOf(connection)) closeIfFree(connection)
    }
  }
  const closeFree = (forMs: number) => {
    closeIfFor(() => forMs)
  }
  const closeForgotten = () => {
    for (const connection of open.values()) noteSpeaking(connection, clock.monotonicMs())
    closeIfFor((one) => (isIdle(one) ? LONGEST_FREE_MS : LONGEST_SILENT_MS))
  }
  const closeSending = () => {
    for (const connection of open.values()) {
      if (isSending(connection) || isLingering(connection.socket)) connection.socket.destroy()
    }
  }
  return {
    track(server) {
      server.on('connection', add).on('secureConnection', add)
      server.once('listening', () => {
        const stop = clock.every(LOOK_EVERY_MS, closeForgotten)
        server.once('close', stop)
      })
    },
    noteEnd(socket) {
      const connection = connectionOn(socket)
      connection.freeSinceMs = clock.monotonicMs()
      connection.bytesByThen = socket.bytesRead
      connection.isSpeaking = false
    },
    closeFree,
    closeSending,
  }
}
