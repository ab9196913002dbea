import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../ports/clock/clock.ts'
import { isLingering } from './lingering-close.ts'

/** What is known of a connection beyond what Node knows. */
export type Connection = {
  readonly socket: Socket
  /** The response to its newest call; those before it are sent first. */
  last?: ServerResponse
  /** How many calls wait for the responses before them. */
  waiting: number
  /** Since when no call is in progress, in milliseconds of the clock. */
  freeSinceMs: number
  /** How many bytes had come by then, and whether more have been seen since. */
  bytesByThen: number
  isSpeaking: boolean
  /** What still comes is not read as a call (RFC 9112 9.6). */
  isOver: boolean
}

/** Node ends what it takes for no call (line breaks, say) at no other time than this. */
const MAX_SILENT_MS = 30_000
/** A connection that is idle after a response has Node's 75 s. */
const MAX_FREE_MS = 100_000
const LOOK_EVERY_MS = 5_000

const connectionOf = new WeakMap<Socket, Connection>()

/** The connections of a server. */
export class Connections {
  readonly #clock: Clock
  readonly #open = new Map<string, Connection>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Follows every connection from its beginning, those without a handshake too. */
  track(server: Server): void {
    const add = (socket: Socket) => this.#add(socket)
    server.on('connection', add).on('secureConnection', add)
    server.once('listening', () => {
      const stop = this.#clock.every(LOOK_EVERY_MS, () => this.#closeAbandoned())
      server.once('close', stop)
    })
  }

  /** A call on this connection has ended; perhaps none is in progress any more. */
  noteEnd(socket: Socket): void {
    const connection = connectionOn(socket)
    connection.freeSinceMs = this.#clock.monotonicMs()
    connection.bytesByThen = socket.bytesRead
    connection.isSpeaking = false
  }

  /** Closes the connections that have had no call in progress for this long. */
  closeFree(forMs: number): void {
    this.#closeFreeFor(() => forMs)
  }

  /** Closes what goes on sending: incomplete calls, and what comes after the last response. */
  closeSending(): void {
    for (const connection of this.#open.values()) {
      if (isSending(connection) || isLingering(connection.socket)) connection.socket.destroy()
    }
  }

  #add(socket: Socket): void {
    // With TLS the secure connection takes the place of the one below it.
    const peer = `${socket.remoteAddress} ${socket.remotePort}`
    const connection = connectionOn(socket)
    connection.freeSinceMs = this.#clock.monotonicMs()
    this.#open.set(peer, connection)
    socket.once('close', () => {
      if (this.#open.get(peer) === connection) this.#open.delete(peer)
    })
  }

  #closeAbandoned(): void {
    for (const connection of this.#open.values()) {
      noteSpeaking(connection, this.#clock.monotonicMs())
    }
    this.#closeFreeFor((connection) => (isIdle(connection) ? MAX_FREE_MS : MAX_SILENT_MS))
  }

  #closeFreeFor(limitMsOf: (connection: Connection) => number): void {
    const nowMs = this.#clock.monotonicMs()
    for (const connection of this.#open.values()) {
      if (connection.freeSinceMs <= nowMs - limitMsOf(connection)) closeIfFree(connection)
    }
  }
}

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

/** Whether no call is in progress on it; an incomplete one is not in progress yet. */
export function isFree({ last }: Connection): boolean {
  return last === undefined || last.writableFinished
}

/** Whether it is the turn of a call that has not come as a whole. */
function isSending({ last, waiting }: Connection): boolean {
  return last !== undefined && waiting === 0 && !last.headersSent && !last.req.complete
}

/** Bytes between calls may begin the next one, or none: their time starts when they are seen. */
function noteSpeaking(connection: Connection, nowMs: number): void {
  const { last, socket, bytesByThen, isSpeaking } = connection
  if (last === undefined || isSpeaking || socket.bytesRead === bytesByThen) return
  connection.isSpeaking = true
  connection.freeSinceMs = nowMs
}

/** Whether it got a response and has sent nothing since, as a proxy keeps it for its next call. */
function isIdle({ last, isSpeaking }: Connection): boolean {
  return last !== undefined && !isSpeaking
}

/** A connection whose last response is on its way has a few seconds of its own. */
function closeIfFree(connection: Connection): void {
  const { socket } = connection
  if (isFree(connection) && !isLingering(socket)) socket.destroy()
}
