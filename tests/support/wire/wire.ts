import { type Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import type { SecureVersion } from 'node:tls'
import type { Problem } from '../../../generated/api.ts'

/** A response as it came over the wire, for requests that no proper client sends. */
export type WireResponse = {
  status: number
  headers: Record<string, string>
  text: string
  /** Returns the parsed JSON. @throws if it is none */
  json(): unknown
  /** @throws unless the media type says that it is a problem */
  problem(): Problem
}

export type WireRequest = {
  method?: string
  headers?: Record<string, string>
  body?: string | Buffer
  /** Sends the body in chunks, without a length. */
  chunked?: true
  /** The address to send from, any of 127.0.0.0/8. */
  from?: string
  /** Uses the connections of this agent instead of one of its own. */
  agent?: Agent
  /** The certificate to trust where the address is `https:`. */
  ca?: string
  /** The newest version of TLS that the client speaks. */
  maxVersion?: SecureVersion
}

/** Sends a request on a connection of its own. */
export function send(address: string, options: WireRequest = {}): Promise<WireResponse> {
  const { method = 'GET', headers = {}, body, chunked, from, agent, ca, maxVersion } = options
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
      // The server may refuse a body before all of it has arrived, and close the connection.
      sent.on('error', () => undefined)
      readResponse(response).then(resolve, reject)
    })
    sent.once('error', reject)
    if (body !== undefined) sent.write(body)
    sent.end()
  })
}

async function readResponse(response: IncomingMessage): Promise<WireResponse> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
  )
  return wireResponse(response.statusCode!, headers, Buffer.concat(chunks).toString())
}

/** Writes bytes to a socket and reads until the server closes it. @returns the last response */
export function sendBytes(url: string, bytes: string | Buffer): Promise<WireResponse> {
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
      if (text === '') reject(new Error('The server closed the connection without a response'))
      else resolve(parseLastResponse(text))
    })
    socket.write(bytes)
  })
}

/** Parses the last response in the text, which is the one to the request that was refused. */
function parseLastResponse(text: string): WireResponse {
  const start = text.lastIndexOf('HTTP/1.1 ')
  const [head = '', ...body] = text.slice(start).split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  return wireResponse(
    Number(first.split(' ')[1]),
    Object.fromEntries(headers),
    body.join('\r\n\r\n'),
  )
}

function wireResponse(status: number, headers: Record<string, string>, text: string): WireResponse {
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
