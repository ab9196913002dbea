import { chmod, writeFile } from 'node:fs/promises'
import { connect, type TLSSocket } from 'node:tls'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type CertificateFolder,
  certificateOf,
  openCertificateFolder,
} from '../support/process/certificates.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { send, sendBytes, type WireRequest } from '../support/wire/wire.ts'

const HSTS = 'max-age=31536000'
const LOOK_MS = 5_000
const JSON_TYPE = { 'Content-Type': 'application/json' }
const LOGIN = { email: 'admin@example.com', password: 'the admin of the tests' }

describe('a server with a certificate', () => {
  let folder: CertificateFolder
  let server: TestServer
  let ca: string
  beforeEach(async () => {
    ca = await certificateOf('first')
    folder = await openCertificateFolder()
    server = await startServer({
      env: { TLS_CERT_FILE: folder.certFile, TLS_KEY_FILE: folder.keyFile },
    })
  })
  afterEach(async () => {
    await server.close()
    await folder.close()
  })

  const ask = (path: string, request: WireRequest = {}) =>
    send(server.url + path, { ca, ...request })

  async function shake(options: { trusted: string }): Promise<TLSSocket> {
    const port = Number(new URL(server.url).port)
    const socket = connect({ port, host: '127.0.0.1', ca: options.trusted })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    return socket
  }

  const subjectOf = (socket: TLSSocket) => socket.getPeerX509Certificate()!.subject

  async function presented(): Promise<string> {
    const port = Number(new URL(server.url).port)
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const subject = subjectOf(socket)
    socket.destroy()
    return subject
  }

  test('answers a whole exchange by HTTPS, a stream too, each answer with HSTS', async () => {
    const body = JSON.stringify(LOGIN)
    const login = await ask('/api/v1/auth/login', { method: 'POST', headers: JSON_TYPE, body })
    expect(login.status).toBe(200)

    const { accessToken } = login.json() as { accessToken: string }
    const headers = { ...JSON_TYPE, Authorization: `Bearer ${accessToken}` }
    const message = JSON.stringify({ message: 'Hello' })
    const stream = await ask('/api/v1/chat/stream', { method: 'POST', headers, body: message })
    expect(stream.text).toContain('event: message.end')

    const answers = [login, stream, await ask('/docs'), await ask('/nowhere')]
    for (const { headers } of answers) expect(headers['strict-transport-security']).toBe(HSTS)
  })

  test('keeps the shapes that Express expects, so that calls stay as fast as by HTTP', async () => {
    const seen: boolean[] = []
    const { server: listener } = server.parley

    listener.prependListener('request', (req, res) => {
      const before = [Object.getPrototypeOf(req), Object.getPrototypeOf(res)] as unknown[]
      res.once('finish', () => {
        const after = [Object.getPrototypeOf(req), Object.getPrototypeOf(res)] as unknown[]
        seen.push(before[0] === after[0] && before[1] === after[1])
      })
    })

    expect((await ask('/api/v1/health')).status).toBe(200)
    expect(seen).toEqual([true])
  })

  test('answers what its parser refuses with the problem of every failure, and HSTS', async () => {
    const socket = await shake({ trusted: ca })
    let raw = ''
    socket.setEncoding('utf8').on('data', (text: string) => (raw += text))
    socket.write('NOT HTTP\r\n\r\n')

    await once(socket, 'close')

    expect(raw).toContain('HTTP/1.1 400')
    expect(raw).toContain('"code":"invalid-request"')
    expect(raw).toContain(`Strict-Transport-Security: ${HSTS}`)
  })

  test('hangs up on plain HTTP and on TLS 1.1, and serves the next caller', async () => {
    const plain = sendBytes(server.url.replace('https', 'http'), 'GET / HTTP/1.1\r\n\r\n')

    await expect(plain).rejects.toThrow()
    await expect(ask('/api/v1/health', { maxVersion: 'TLSv1.1' })).rejects.toThrow()
    expect((await ask('/api/v1/health', { maxVersion: 'TLSv1.2' })).status).toBe(200)
  })

  test('uses a renewed certificate without a restart, and breaks no open connection', async () => {
    const open = await shake({ trusted: ca })
    await folder.put('second')
    await server.clock.advance(LOOK_MS)
    await until(async () => (await presented()).includes('second'))
    open.setEncoding('utf8').write('GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const [answer] = (await once(open, 'data')) as [string]
    expect(answer).toContain('HTTP/1.1 200')

    open.destroy()
  })

  test('keeps its certificate while the new one and the key do not belong together', async () => {
    await folder.put('second', 'first')
    await server.clock.advance(LOOK_MS)
    const stays = () =>
      server
        .logLines()
        .filter(
          ({ msg }) => msg === 'certificate not reloaded: the current certificate stays in use',
        )
    await until(() => stays().length > 0)
    expect(await presented()).toContain('first')

    await folder.put('second')
    await server.clock.advance(LOOK_MS)
    await until(async () => (await presented()).includes('second'))
    expect(stays()).toHaveLength(1)
    expect(JSON.stringify(server.logLines())).not.toContain('PRIVATE KEY')
  })
})

describe('a certificate that cannot be used stops the start', () => {
  let folder: CertificateFolder
  beforeEach(async () => {
    folder = await openCertificateFolder()
  })
  afterEach(() => folder.close())

  const start = () =>
    startServer({ env: { TLS_CERT_FILE: folder.certFile, TLS_KEY_FILE: folder.keyFile } })

  test('where the key is another’s', async () => {
    await folder.put('first', 'second')

    await expect(start()).rejects.toThrow(/must be a certificate chain and its private key/)
  })

  test('where a file is still empty, which Node would take for none', async () => {
    await writeFile(folder.keyFile, '')

    await expect(start()).rejects.toThrow(`${folder.keyFile} is empty`)
  })

  test('where a file is missing, which is named', async () => {
    await folder.close()

    await expect(start()).rejects.toThrow(`${folder.certFile} cannot be read: ENOENT`)
  })

  test('where others on the machine may open the key', async () => {
    await chmod(folder.keyFile, 0o644)

    await expect(start()).rejects.toThrow(/chmod 600/)
  })
})

describe('REQUIRE_HTTPS behind a proxy that ends TLS', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer({ env: { REQUIRE_HTTPS: 'true', TRUST_PROXY: '127.0.0.1' } })
  })
  afterAll(() => server.close())

  const HTTPS = { 'X-Forwarded-Proto': 'https' }
  const ask = (path: string, request: WireRequest = {}) => send(server.url + path, request)

  test('serves what came to the proxy by HTTPS, with HSTS', async () => {
    const answer = await ask('/api/v1/status', { headers: HTTPS })

    expect(answer.status).toBe(200)
    expect(answer.headers['strict-transport-security']).toBe(HSTS)
  })

  test.each([[{}], [{ 'X-Forwarded-Proto': 'http' }]])(
    'refuses what did not, however right it is: %j',
    async (headers: Record<string, string>) => {
      const body = JSON.stringify(LOGIN)
      const request = { method: 'POST', headers: { ...JSON_TYPE, ...headers }, body }

      const answer = await ask('/api/v1/auth/login', request)

      expect(answer.status).toBe(400)
      expect(answer.problem()).toMatchObject({
        code: 'invalid-request',
        detail: 'HTTPS is required.',
        retryable: false,
      })
      // RFC 6797 7.2: over plain HTTP anybody could have written it.
      expect(answer.headers).not.toHaveProperty('strict-transport-security')
    },
  )

  test('refuses the docs too, where people type passwords', async () => {
    expect((await ask('/docs/console')).problem().detail).toBe('HTTPS is required.')
  })

  test('does not take the word of somebody who is no proxy of ours', async () => {
    const answer = await ask('/api/v1/status', { headers: HTTPS, from: '127.0.0.2' })

    expect(answer.problem().code).toBe('invalid-request')
  })

  test.each(['/api/v1/health', '/api/v1/health/ready'])(
    'lets a load balancer ask %s by plain HTTP',
    async (path) => {
      expect((await ask(path)).status).toBe(200)
    },
  )
})

test('without HTTPS of its own and without REQUIRE_HTTPS, HSTS is left to the proxy', async () => {
  const server = await startServer({ env: { TRUST_PROXY: '1' } })
  const answer = await send(`${server.url}/api/v1/status`, {
    headers: { 'X-Forwarded-Proto': 'https' },
  })
  expect(answer.headers).not.toHaveProperty('strict-transport-security')

  await server.close()
})
