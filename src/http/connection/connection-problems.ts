import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { RequestHandler } from 'express'
import type { ProblemCode } from '../../../generated/api.ts'
import { Problem } from '../../domain/problem.ts'
import { type Connection, connectionOn, isFree } from './connections.ts'
import { closeLingering } from './lingering-close.ts'
import { readRawHead } from './raw-head.ts'

/** The first line and the headers together. */
export const MAX_HEADER_BYTES = 16 * 1024

const TIMEOUT = 'ERR_HTTP_REQUEST_TIMEOUT'
const CODE_OF: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  [TIMEOUT]: 'request-timeout',
}

/** What Node's parser adds to its errors; of a request in many packets, the last packet only. */
type ParserError = NodeJS.ErrnoException & { rawPacket?: Buffer; bytesParsed?: number }

/** The classes of the server's requests and responses. */
type Classes = {
  IncomingMessage: new (socket: Socket) => IncomingMessage
  ServerResponse: new (req: never) => ServerResponse
}

/** Responds to what Node's parser refuses: in log, headers, shape and turn like any other call. */
export function createConnectionRefusal(
  classes: Classes,
  refuse: RequestHandler,
): (error: ParserError, socket: Socket) => void {
  return (error, socket) => {
    const connection = connectionOn(socket)
    if (!isParserError(error) || !socket.writable) {
      socket.destroy()
      return
    }
    if (connection.isOver) return
    // A call that waits for its turn cannot be sent on: its timeout is not the client's fault.
    if (error.code === TIMEOUT && connection.waiting > 0) return
    connection.isOver = true
    if (connection.last?.req.complete === false) return breakOff(connection, connection.last)
    whenFree(connection, () => respond(connection, createCall(classes, error, socket), refuse))
  }
}

/**
 * The problem of a request that is refused whatever its operation: it does not name one host
 * (RFC 9112 3.2), or other servers may see the end of its body elsewhere (6.1).
 */
export function refusalOf(req: IncomingMessage): Problem | undefined {
  const { headers, httpVersion } = req
  const coding = headers['transfer-encoding']
  if (coding !== undefined && (httpVersion !== '1.1' || coding.toLowerCase() !== 'chunked')) {
    return new Problem('invalid-request', { detail: 'The transfer coding must be `chunked`.' })
  }
  if (httpVersion === '1.1' && !hasOneHost(req.rawHeaders)) {
    return new Problem('invalid-request', { detail: 'Send exactly one `Host` header.' })
  }
  return undefined
}

function hasOneHost(rawHeaders: readonly string[]): boolean {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1
  }
  return count === 1
}

/** Refuses `CONNECT`: this server is no proxy. Node no longer reads the connection. */
export function createConnectRefusal(
  { ServerResponse: Response }: Pick<Classes, 'ServerResponse'>,
  refuse: RequestHandler,
): (req: IncomingMessage, socket: Socket) => void {
  return (req, socket) => {
    const connection = connectionOn(socket)
    socket.on('error', () => socket.destroy())
    if (connection.isOver || !isFree(connection)) {
      socket.destroy()
      return
    }
    connection.isOver = true
    req.url = '/'
    req.refusal = new Problem('invalid-request', { detail: 'This server is not a proxy.' })
    respond(connection, new Response(req as never), refuse)
  }
}

/** Anything else is a failure of the connection itself: no client can read a response. */
function isParserError({ code = '' }: ParserError): boolean {
  return code === TIMEOUT || code.startsWith('HPE_')
}

/** The body of a call is broken: its response, sent or to come, is the last one. */
function breakOff({ socket }: Connection, { req, writableFinished }: ServerResponse): void {
  if (writableFinished) closeLingering(socket)
  req.broken = true
  req.emit('broken')
}

function whenFree(connection: Connection, run: () => void): void {
  if (isFree(connection)) run()
  else connection.last?.once('finish', run)
}

/** A call that stands for what could not be read as one. */
function createCall(classes: Classes, error: ParserError, socket: Socket): ServerResponse {
  const req = new classes.IncomingMessage(socket)
  const code = CODE_OF[error.code ?? ''] ?? 'invalid-request'
  const { method, headers } = readRawHead(error)
  Object.assign(req, { method, headers, url: '/', httpVersionMajor: 1, httpVersionMinor: 1 })
  req.refusal = new Problem(isTooLongAddress(error, code) ? 'uri-too-long' : code)
  return new classes.ServerResponse(req as never)
}

/** Does for the response what Node does for those of calls that it has read. */
function respond(connection: Connection, res: ServerResponse, refuse: RequestHandler): void {
  const { socket } = connection
  // The response before it may have been the last.
  if (!socket.writable) return
  connection.last = res
  res.assignSocket(socket)
  res.once('finish', () => {
    res.detachSocket(socket)
    closeLingering(socket)
    res.emit('close')
  })
  refuse(res.req as never, res as never, () => {
    socket.destroy()
  })
}

/**
 * Whether the address is too long, not the headers: the overflow came before the end of the first
 * line. Of a request in many packets only the last is known; an address has a line end in none.
 */
function isTooLongAddress({ rawPacket }: ParserError, code: ProblemCode): boolean {
  if (code !== 'headers-too-large') return false
  return rawPacket !== undefined && !rawPacket.subarray(0, MAX_HEADER_BYTES).includes('\r\n')
}
