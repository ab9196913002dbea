import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** Only a connection that failed is looked at again, and a start waits for it. */
const PATIENCE_MS = 1_000

/**
 * The sentence for a URL that takes a port with TLS for one without, or the reverse. Either way Redis
 * says nothing, or hangs up as a server does that is about to start.
 */
export async function transportFault(url: string): Promise<string | undefined> {
  const { protocol, hostname, port } = new URL(url)
  const place = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || '6379') }
  if (protocol === 'redis:' && (await answersTls(place))) {
    return 'Redis speaks TLS at the port in REDIS_URL: use rediss:// instead of redis://.'
  }
  if (protocol === 'rediss:' && (await answersPlainly(place))) {
    return 'Redis does not speak TLS at the port in REDIS_URL: use redis:// instead of rediss://, or use its TLS port.'
  }
  return undefined
}

type Place = { host: string; port: number }

/** Nothing is sent: whose certificate it is does not matter. */
function answersTls(place: Place): Promise<boolean> {
  return hears(connectTls({ ...place, rejectUnauthorized: false }), 'secureConnect')
}

function answersPlainly(place: Place): Promise<boolean> {
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
