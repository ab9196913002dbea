import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { SlowClientsMessage, SlowClientsOptions } from './slow-clients.ts'

/** Each byte keeps the server waiting; rare enough that sending them costs little. */
const BYTE_EVERY_MS = 5_000
/** Connections open in batches of this size, 500 a second. */
const AT_ONCE = 25
const PAUSE_MS = 50

const { port, count }: SlowClientsOptions = JSON.parse(process.argv[2]!)
const tell = (message: SlowClientsMessage) => process.send!(message)

/** What each client sends first, and what it then repeats without ever completing the request. */
const MANNERS: readonly { first: string; more: string }[] = [
  { first: '', more: '' },
  { first: 'GET /', more: 'x' },
  { first: 'GET /api/v1/health HTTP/1.1\r\nHost: x\r\nX-Slow: ', more: 'x' },
  { first: upload('Content-Length: 200000'), more: ' ' },
  { first: upload('Transfer-Encoding: chunked'), more: '1\r\n \r\n' },
]

function upload(framing: string): string {
  const head = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
  return `${head}${framing}\r\n\r\n`
}

/** Resolves when the client is connected. */
function begin(manner: (typeof MANNERS)[number]): Promise<void> {
  return new Promise((resolve, reject) => {
    // Half open: the client does not close when the server ends its side.
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    let answer = ''
    socket.setEncoding('latin1').on('data', (text: string) => (answer += text))
    socket.once('error', reject)
    socket.once('connect', () => {
      // From now on, a reset is one of the ways in which the server ends the connection.
      socket.off('error', reject).on('error', () => undefined)
      resolve()
      if (manner.first !== '') socket.write(manner.first)
      const dripping = setInterval(() => socket.write(manner.more), BYTE_EVERY_MS)
      socket.once('close', () => {
        clearInterval(dripping)
      })
      socket.once('end', () => {
        tell({ left: /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 'nothing' })
      })
    })
  })
}

for (let begun = 0; begun < count; begun += AT_ONCE) {
  const batch = Array.from({ length: Math.min(AT_ONCE, count - begun) }, (_, i) => i)
  await Promise.all(batch.map((i) => begin(MANNERS[i % MANNERS.length]!)))
  await pause(PAUSE_MS)
}
tell({ connected: count })
