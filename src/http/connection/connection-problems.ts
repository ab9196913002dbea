import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { RequestHandler } from 'express'
import type { ProblemCode } from '../../../generated/api.ts'
import { Problem } from '../../domain/problem.ts'
import { type Connection, connectionOn, isFree } from './connections.ts'
import { closeLingering } from './lingering-close.ts'
import { readRawHead } from './raw-head.ts'

/** Bytes of the first line and the headers together. */
export const LONGEST_HEADERS = 16 * 1024

const TIMEOUT = 'ERR_HTTP_REQUEST_TIMEOUT'
const CODE_OF: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  [TIMEOUT]: 'request-timeout',
}

/** What Node's parser adds to its errors; of a request in many packets only the last one. */
type ParserError = NodeJS.ErrnoException & { rawPacket?: Buffer; bytesParsed?: number }

/** Of the server's calls and answers. */
type Classes = {
  IncomingMessage: new (socket: Socket) => IncomingMessage
  ServerResponse: new (req: never) => ServerResponse
}

/** Answers what Node's parser refuses: like every call in log, headers and shape, and in its turn. */
export function createConnectionRefusal(
  classes: Classes,
  refuse: RequestHandler,
): (error: ParserError, socket: Socket) => void {
  return (error, socket) => {
    const connection = connectionOn(socket)
    if (!isParsers(error) || !socket.writable) {
      socket.destroy()
      return
    }
    if (connection.isOver) return
    // Who waits for his turn cannot send on: the time of what he has begun is not his.
    if (error.code === TIMEOUT && connection.waiting > 0) return
    connection.isOver = true
    if (connection.last?.req.complete === false) breakOff(connection, connection.last)
    else
      whenFree(connection, () => {
        answer(connection, createCall(classes, error, socket), refuse)
      })
  }
}

/**
 * What of a request that could be read is refused without a look at its operation: without the one
 * host that it is for (RFC 9112 3.2), or with a body whose end other servers may see elsewhere (6.1).
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

/** For `CONNECT`, which makes a connection something that no server here is: Node has let go of it. */
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
    answer(connection, new Response(req as never), refuse)
  }
}

/** Anything else is the connection's own failure: there is nobody who could read an answer. */
function isParsers({ code = '' }: ParserError): boolean {
  return code === TIMEOUT || code.startsWith('HPE_')
}

/** The body of a call is broken: its answer, given or to come, is the last one. */
function breakOff({ socket }: Connection, { req, writableFinished }: ServerResponse): void {
  if (writableFinished) closeLingering(socket)
  req.broken = true
  req.emit('broken')
}

function whenFree(connection: Connection, run: () => void): void {
  if (isFree(connection)) run()
  else connection.last?.once('finish', run)
}

/** A call in the place of what could not be read as one. */
function createCall(classes: Classes, error: ParserError, socket: Socket): ServerResponse {
  const req = new classes.IncomingMessage(socket)
  const code = CODE_OF[error.code ?? ''] ?? 'invalid-request'
  const { method, headers } = readRawHead(error)
  Object.assign(req, { method, headers, url: '/', httpVersionMajor: 1, httpVersionMinor: 1 })
  req.refusal = new Problem(tooLongAddress(error, code) ? 'uri-too-long' : code)
  return new classes.ServerResponse(req as never)
}

/** Does for the answer what Node does for those of calls that it has read. */
function answer(connection: Connection, res: ServerResponse, refuse: RequestHandler): void {
  const { socket } = connection
  // The answer before it may have been the last.
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
 * An overflow that came before the first line had ended is the address's, not the headers'. Of a
 * request in many packets only the last is known; an address has no line end in any of them.
 */
function tooLongAddress({ rawPacket }: ParserError, code: ProblemCode): boolean {
  if (code !== 'headers-too-large') return false
  return rawPacket !== undefined && !rawPacket.subarray(0, LONGEST_HEADERS).includes('\r\n')
}
