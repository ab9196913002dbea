import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Server } from 'node:http'

/** A raw connection, for requests that no HTTP client sends. */
export type RawConnection = {
  socket: Socket
  /** The server's end of the connection. */
  atServer: Socket
  /** Returns everything received so far. */
  received(): string
  /** Resolves with everything received when the server closes. */
  ended: Promise<string>
}

export async function openRaw(url: string, server: Server): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const socket = connect(Number(port), hostname)
  const [atServer] = await accepted
  let text = ''
  socket.setEncoding('latin1').on('data', (piece: string) => (text += piece))
  socket.on('error', () => undefined)
  const ended = Promise.race([once(socket, 'end'), once(socket, 'close')]).then(() => text)
  return { socket, atServer, received: () => text, ended }
}

/** Returns a request without credentials, as it goes over the wire. */
export function rawRequest(path: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ Host: 'x', ...headers }).map(([k, v]) => `${k}: ${v}\r\n`)
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

/** Returns the status and request id of each response, in order. */
export function responsesIn(text: string): string[] {
  const heads = text.matchAll(/HTTP\/1\.1 (\d{3})[^]*?\r\n\r\n/g)
  return Array.from(heads, ([head, status]) => {
    const id = /^X-Request-Id: (.*)\r$/m.exec(head)?.[1]
    return id === undefined ? status! : `${status!} ${id}`
  })
}
