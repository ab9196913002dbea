import { type Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import type { SecureVersion } from 'node:tls'
import type { Problem } from '../../../generated/api.ts'

/** An answer as it came over the wire, for tests that no proper client could make. */
export type WireAnswer = {
  status: number
  headers: Record<string, string>
  text: string
  /** The JSON of the answer. @throws when it is none */
  json(): unknown
  /** @throws unless the answer is a problem by its media type */
  problem(): Problem
}

export type WireRequest = {
  method?: string
  headers?: Record<string, string>
  body?: string | Buffer
  /** Without a length: in chunks. */
  chunked?: true
  /** The address that it comes from; 127.0.0.0/8 is all ours. */
  from?: string
  /** Whose connections it takes, in the place of one of its own. */
  agent?: Agent
  /** The certificate to trust, where the address is `https:`. */
  ca?: string
  /** The newest TLS that it speaks. */
  maxVersion?: SecureVersion
}

/** Sends a request on a connection of its own, as odd as it may be. */
export function send(address: string, odd: WireRequest = {}): Promise<WireAnswer> {
  const { method = 'GET', headers = {}, body, chunked, from, agent, ca, maxVersion } = odd
  const request = address.startsWith('https:') ? httpsRequest : httpRequest
  const length = body === undefined || chunked ? {} : { 'Content-Length': Buffer.byteLength(body) }
  return new Promise((resolve, reject) => {
    const sent = request(address, {
      method,
      headers: { ...length, ...headers },
      agent: agent ?? false,
      ...(from !== undefined && { localAddress: from }),
      ...(ca !== undefined && { ca }),
      ...(maxVersion !== undefined && { maxVersion, minVersion: 'TLSv1' as const }),
    })
    sent.once('response', (response) => {
      // The server may refuse a body before it has it all, and hang up.
      sent.on('error', () => undefined)
      readAnswer(response).then(resolve, reject)
    })
    sent.once('error', reject)
    if (body !== undefined) sent.write(body)
    sent.end()
  })
}

async function readAnswer(response: IncomingMessage): Promise<WireAnswer> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
  )
  return answerOf(response.statusCode!, headers, Buffer.concat(chunks).toString())
}

/** Writes bytes to a socket and reads what comes back until the server hangs up. */
export function sendBytes(url: string, bytes: string | Buffer): Promise<WireAnswer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.once('error', (error) => {
      if (chunks.length === 0) reject(error)
    })
    socket.once('close', () => {
      const text = Buffer.concat(chunks).toString('latin1')
      if (text === '') reject(new Error('The server hung up without an answer'))
      else resolve(parseAnswer(text))
    })
    socket.write(bytes)
  })
}

/** The last answer in the text: what was refused is answered last. */
function parseAnswer(text: string): WireAnswer {
  const start = text.lastIndexOf('HTTP/1.1 ')
  const [head = '', ...body] = text.slice(start).split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  return answerOf(Number(first.split(' ')[1]), Object.fromEntries(headers), body.join('\r\n\r\n'))
}

function answerOf(status: number, headers: Record<string, string>, text: string): WireAnswer {
  const json = () => JSON.parse(text) as unknown
  return {
    status,
    headers,
    text,
    json,
    problem() {
      if (headers['content-type'] === 'application/problem+json') return json() as Problem
      throw new Error(`Not a problem: ${String(status)} ${text.slice(0, 200)}`)
    },
  }
}
