import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ProblemCode } from '../../generated/api.ts'
import { Problem } from '../domain/problem.ts'
import { problemView } from '../views/problem.ts'

const CODE_OF: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
}

/**
 * Answers what Node's parser refuses, before there is a request, in the shape of every problem.
 * The path is not known here: it is `/`.
 */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const requestId = randomUUID()
  const code = CODE_OF[error.code ?? ''] ?? 'invalid-request'
  const problem = new Problem(tooLongAddress(error, code) ? 'uri-too-long' : code)
  const body = JSON.stringify(problemView(problem, { requestId, path: '/' }))
  const { status } = problem.kind
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      `X-Request-Id: ${requestId}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
}

/** An overflow that came before the first line had ended is the address's, not the headers'. */
function tooLongAddress(error: NodeJS.ErrnoException, code: ProblemCode): boolean {
  if (code !== 'headers-too-large') return false
  const { rawPacket } = error as { rawPacket?: Buffer }
  return rawPacket !== undefined && !rawPacket.includes('\r\n')
}
