import { randomUUID } from 'node:crypto'
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ProblemCode } from '../../generated/api.ts'
import { Problem } from '../domain/problem.ts'
import { problemView } from '../views/problem.ts'
import { closeLingering, isLingering } from './lingering-close.ts'
import { STRICT_TRANSPORT } from './transport.ts'

/** Bytes of the first line and the headers together. */
export const LONGEST_HEADERS = 16 * 1024

const CODE_OF: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
}

/**
 * Answers what Node's parser refuses, before there is a request, in the shape of every problem.
 * The path is not known here: it is `/`.
 */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  // More of what was refused.
  if (isLingering(socket) && error.code !== 'ECONNRESET') return
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
    socket.destroy()
    return
  }
  const code = CODE_OF[error.code ?? ''] ?? 'invalid-request'
  answerOnSocket(tooLongAddress(error, code) ? 'uri-too-long' : code, socket)
}

/** Node keeps on the socket what it is answering there; a problem would land in the middle of it. */
function isAnswering(socket: Socket): boolean {
  const { _httpMessage: answer } = socket as Socket & { _httpMessage?: ServerResponse | null }
  return answer?.headersSent === true
}

/** Answers with a problem and ends the connection, for a request that no route can take. */
export function answerOnSocket(code: ProblemCode, socket: Socket): void {
  const requestId = randomUUID()
  const problem = new Problem(code)
  const body = JSON.stringify(problemView(problem, { requestId, path: '/' }))
  const { status } = problem.kind
  socket.write(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      `X-Request-Id: ${requestId}`,
      ...(socket instanceof TLSSocket ? [`Strict-Transport-Security: ${STRICT_TRANSPORT}`] : []),
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
  closeLingering(socket)
}

/**
 * An overflow that came before the first line had ended is the address's, not the headers'. Of a
 * request in many packets only the last is known; an address has no line end in any of them.
 */
function tooLongAddress(error: NodeJS.ErrnoException, code: ProblemCode): boolean {
  if (code !== 'headers-too-large') return false
  const { rawPacket } = error as { rawPacket?: Buffer }
  return rawPacket !== undefined && !rawPacket.subarray(0, LONGEST_HEADERS).includes('\r\n')
}
