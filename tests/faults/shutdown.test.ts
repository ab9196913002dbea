import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { certificateOf, openCertificateFolder } from '../support/process/certificates.ts'
import { createClient } from '../support/client.ts'
import { freePort } from '../support/wire/free-port.ts'
import { openWorkplace, type ParleyProcess, type Workplace } from '../support/process/process.ts'
import { openStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'
import { send } from '../support/wire/wire.ts'

const PATIENCE_MS = 180_000
const HEALTH = 'GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n'
const LOGIN = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'

let workplace: Workplace
let upstream: TestUpstream
beforeEach(async () => {
  workplace = await openWorkplace()
  upstream = await startUpstream({ stallAfter: 2 })
})
afterEach(async () => {
  await workplace.close()
  await upstream.close()
})

/** Starts a server with an answer in progress, which continues when the upstream is released. */
async function startAnswering(env: Record<string, string> = {}) {
  const parley = await workplace.start({ CHAT_UPSTREAM_URL: upstream.url, ...env })
  const alice = await parley.logIn()
  const stream = await openStream(alice, { message: 'Hello' })
  const start = (await stream.next())!.event
  if (start.type !== 'message.start') throw new Error(start.type)
  return { parley, alice, stream, start }
}

async function acceptsConnections(url: string): Promise<boolean> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function terminate(parley: ParleyProcess): Promise<void> {
  parley.signal('SIGTERM')
  await until(async () => !(await acceptsConnections(parley.url)))
}

describe('SIGTERM', () => {
  test(
    'lets a running stream end, stores its answer and exits with 0',
    async () => {
      const { parley, alice, stream, start } = await startAnswering()
      await terminate(parley)

      upstream.release()

      expect((await stream.rest()).at(-1)!.name).toBe('message.end')
      expect(await parley.exited).toEqual({ code: 0, signal: null })

      const next = await workplace.start()
      const path = { conversationId: start.conversationId }
      const client = createClient(next.url, alice.identity)
      const { body } = await client.expect(200, 'getConversation', { path })
      expect(body.messages[1]).toMatchObject({
        content: 'Hello from upstream.',
        status: 'complete',
      })
    },
    PATIENCE_MS,
  )

  test(
    'announces in the last response that the connection closes, so that a proxy does not reuse it',
    async () => {
      const parley = await workplace.start({ CHAT_UPSTREAM_URL: upstream.url })
      const alice = await parley.logIn()
      const agent = new Agent({ keepAlive: true })
      const sending = send(alice.urlOf('sendMessage'), {
        method: 'POST',
        headers: { ...alice.credentials, 'Content-Type': 'application/json' },
        body: JSON.stringify({ message: 'Hello' }),
        agent,
      })
      await until(() => upstream.calls.some(({ path }) => path.includes('completions')))
      await terminate(parley)
      upstream.release()

      const answer = await sending

      expect([answer.status, answer.headers['connection']]).toEqual([200, 'close'])
      expect(await parley.exited).toEqual({ code: 0, signal: null })
    },
    PATIENCE_MS,
  )

  test(
    'finishes and stores the answer of a reader who hung up',
    async () => {
      const { parley, alice, stream, start } = await startAnswering()
      stream.hangUp()
      await until(() => parley.stdout().includes('"hungUp":true'))
      await terminate(parley)

      upstream.release()

      expect(await parley.exited).toEqual({ code: 0, signal: null })

      const next = await workplace.start()
      const path = { conversationId: start.conversationId }
      const client = createClient(next.url, alice.identity)
      const { body } = await client.expect(200, 'getConversation', { path })
      expect(body.messages[1]).toMatchObject({ status: 'complete' })
    },
    PATIENCE_MS,
  )

  test.each([
    ['nothing', ''],
    ['half a head', 'GET /api/v1/health HTTP/1.1\r\nHost:'],
    ['half a head after a response', `${HEALTH}GET /api/v1/health HTTP/1.1\r\nHost:`],
    ['line breaks', '\r\n\r\n'],
    ['half a body', `${LOGIN}Content-Length: 10\r\n\r\n{`],
    ['half a body in chunks', `${LOGIN}Transfer-Encoding: chunked\r\n\r\n5\r\n{`],
    ['an unread body', 'GET /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n'],
  ])(
    'closes a connection on which %s was sent, and exits with 0',
    async (_what, bytes) => {
      const METRICS_PORT = String(await freePort())
      const parley = await workplace.start({ METRICS_PORT })
      const sockets = [new URL(parley.url).port, METRICS_PORT].map((port) =>
        connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true }),
      )
      for (const socket of sockets) {
        await once(socket.on('error', () => undefined).resume(), 'connect')
        socket.write(bytes)
      }
      // A response on another connection shows that these bytes have arrived.
      await createClient(parley.url).expect(200, 'getHealth')

      parley.signal('SIGTERM')

      expect(await parley.exited).toEqual({ code: 0, signal: null })
    },
    PATIENCE_MS,
  )

  test(
    'closes a connection that is in the middle of a handshake, and exits with 0',
    async () => {
      const folder = await openCertificateFolder()
      const { certFile, keyFile } = folder

      const parley = await workplace.start({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile })
      const socket = connect({ port: Number(new URL(parley.url).port), host: '127.0.0.1' })
      await once(
        socket.on('error', () => undefined),
        'connect',
      )
      // The beginning of a ClientHello whose rest does not come.
      socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]))
      await send(`${parley.url}/api/v1/health`, { ca: await certificateOf('first') })

      parley.signal('SIGTERM')

      expect(await parley.exited).toEqual({ code: 0, signal: null })

      await folder.close()
    },
    PATIENCE_MS,
  )

  test(
    'exits with 0 at once when nothing is in progress',
    async () => {
      const parley = await workplace.start()

      parley.signal('SIGTERM')

      expect(await parley.exited).toEqual({ code: 0, signal: null })
    },
    PATIENCE_MS,
  )

  test(
    'makes readiness 503 on a connection that is still open',
    async () => {
      const { parley, alice } = await startAnswering()
      const { host, hostname, port } = new URL(parley.url)
      const socket = connect(Number(port), hostname)

      const body = JSON.stringify({ message: 'Hello' })
      const headers = { ...alice.credentials, Host: host, 'Content-Type': 'application/json' }
      const lines = Object.entries({ ...headers, 'Content-Length': body.length })
      const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
      let raw = ''
      socket.setEncoding('utf8').on('data', (text: string) => (raw += text))
      socket.write(`POST /api/v1/chat/stream HTTP/1.1\r\n${head}\r\n${body}`)
      await until(() => raw.includes('message.delta'))

      await terminate(parley)
      socket.write(`GET /api/v1/health/ready HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      upstream.release()
      await until(() => raw.includes('"listener"'))

      const [, readiness] = raw.split(/event: message\.end\n.*/)
      expect(readiness).toContain('HTTP/1.1 503')
      expect(readiness).toContain('"unavailable"')
      expect(await parley.exited).toEqual({ code: 0, signal: null })
    },
    PATIENCE_MS,
  )

  test(
    'ends answers with message.error after the grace period, stores their text and exits with 1',
    async () => {
      const { parley, alice, stream, start } = await startAnswering({ SHUTDOWN_GRACE_SECONDS: '1' })
      parley.signal('SIGTERM')

      const end = (await stream.rest()).at(-1)!

      expect(end.event).toMatchObject({
        type: 'message.error',
        problem: { code: 'unavailable' },
        message: { content: 'Hello from', status: 'failed' },
      })
      expect(await parley.exited).toEqual({ code: 1, signal: null })

      const next = await workplace.start()
      const path = { conversationId: start.conversationId }
      const client = createClient(next.url, alice.identity)
      const { body } = await client.expect(200, 'getConversation', { path })
      expect(body.messages[1]).toMatchObject({ content: 'Hello from', status: 'failed' })
    },
    PATIENCE_MS,
  )

  test(
    'exits with 1 at once when it comes a second time',
    async () => {
      const { parley } = await startAnswering()
      await terminate(parley)

      parley.signal('SIGTERM')

      expect(await parley.exited).toEqual({ code: 1, signal: null })
    },
    PATIENCE_MS,
  )
})
