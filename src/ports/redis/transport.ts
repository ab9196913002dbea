import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** A start waits for this; only a connection that failed is tried. */
const PATIENCE_MS = 1_000

/**
 * The sentence for a URL with the scheme for TLS at a port without it, or the reverse. Either way
 * Redis sends nothing, or hangs up like a server that is still starting.
 */
export async function transportFault(url: string): Promise<string | undefined> {
  const { protocol, hostname, port } = new URL(url)
  const place = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || '6379') }
  if (protocol === 'redis:' && (await speaksTls(place))) {
    return 'Redis speaks TLS at the port in REDIS_URL: use rediss:// instead of redis://.'
  }
  if (protocol === 'rediss:' && (await speaksPlainly(place))) {
    return 'Redis does not speak TLS at the port in REDIS_URL: use redis:// instead of rediss://, or use its TLS port.'
  }
  return undefined
}

type Place = { host: string; port: number }

/** Nothing secret is sent: the certificate need not be checked. */
function speaksTls(place: Place): Promise<boolean> {
  return hears(connectTls({ ...place, rejectUnauthorized: false }), 'secureConnect')
}

function speaksPlainly(place: Place): Promise<boolean> {
  const socket = connect(place)
  socket.write('PING\r\n')
  return hears(socket, 'data')
}

function hears(socket: Socket, event: string): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (heard: boolean) => {
      socket.destroy()
      resolve(heard)
    }
    socket.setTimeout(PATIENCE_MS, () => end(false))
    socket.once(event, () => end(true))
    socket.on('error', () => end(false))
    socket.once('close', () => end(false))
  })
}
