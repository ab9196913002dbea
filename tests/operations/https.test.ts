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
const RELOAD_INTERVAL_MS = 5_000
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

  const call = (path: string, request: WireRequest = {}) =>
    send(server.url + path, { ca, ...request })

  async function connectTls(options: { trusted: string }): Promise<TLSSocket> {
    const port = Number(new URL(server.url).port)
    const socket = connect({ port, host: '127.0.0.1', ca: options.trusted })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    return socket
  }

  const subjectOf = (socket: TLSSocket) => socket.getPeerX509Certificate()!.subject

  async function presentedSubject(): Promise<string> {
    const port = Number(new URL(server.url).port)
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const subject = subjectOf(socket)
    socket.destroy()
    return subject
  }

  test('serves calls, a stream and pages with HSTS', async () => {
    const body = JSON.stringify(LOGIN)

    const login = await call('/api/v1/auth/login', { method: 'POST', headers: JSON_TYPE, body })

    expect(login.status).toBe(200)

    const { accessToken } = login.json() as { accessToken: string }
    const headers = { ...JSON_TYPE, Authorization: `Bearer ${accessToken}` }
    const message = JSON.stringify({ message: 'Hello' })
    const stream = await call('/api/v1/chat/stream', { method: 'POST', headers, body: message })
    expect(stream.text).toContain('event: message.end')

    const responses = [login, stream, await call('/docs'), await call('/nowhere')]
    for (const { headers } of responses) expect(headers['strict-transport-security']).toBe(HSTS)
  })

  test('creates requests and responses whose prototypes Express does not change', async () => {
    const seen: boolean[] = []
    const { server: listener } = server.parley

    listener.prependListener('request', (req, res) => {
      const before = [Object.getPrototypeOf(req), Object.getPrototypeOf(res)] as unknown[]
      res.once('finish', () => {
        const after = [Object.getPrototypeOf(req), Object.getPrototypeOf(res)] as unknown[]
        seen.push(before[0] === after[0] && before[1] === after[1])
      })
    })

    expect((await call('/api/v1/health')).status).toBe(200)
    expect(seen).toEqual([true])
  })

  test('refuses malformed HTTP with a problem and HSTS', async () => {
    const socket = await connectTls({ trusted: ca })
    let raw = ''
    socket.setEncoding('utf8').on('data', (text: string) => (raw += text))
    socket.write('NOT HTTP\r\n\r\n')

    await once(socket, 'close')

    expect(raw).toContain('HTTP/1.1 400')
    expect(raw).toContain('"code":"invalid-request"')
    expect(raw).toContain(`Strict-Transport-Security: ${HSTS}`)
  })

  test('closes connections with plain HTTP or TLS 1.1 and serves the next caller', async () => {
    const plain = sendBytes(server.url.replace('https', 'http'), 'GET / HTTP/1.1\r\n\r\n')

    await expect(plain).rejects.toThrow()
    await expect(call('/api/v1/health', { maxVersion: 'TLSv1.1' })).rejects.toThrow()
    expect((await call('/api/v1/health', { maxVersion: 'TLSv1.2' })).status).toBe(200)
  })

  test('uses a renewed certificate without a restart and keeps open connections', async () => {
    const open = await connectTls({ trusted: ca })
    await folder.put('second')
    await server.clock.advance(RELOAD_INTERVAL_MS)
    await until(async () => (await presentedSubject()).includes('second'))
    open.setEncoding('utf8').write('GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n')

    const [response] = (await once(open, 'data')) as [string]

    expect(response).toContain('HTTP/1.1 200')

    open.destroy()
  })

  test('keeps its certificate while the new certificate and key do not match', async () => {
    await folder.put('second', 'first')
    await server.clock.advance(RELOAD_INTERVAL_MS)
    const refusedReloads = () =>
      server
        .logLines()
        .filter(
          ({ msg }) => msg === 'certificate not reloaded: the current certificate stays in use',
        )

    await until(() => refusedReloads().length > 0)

    expect(await presentedSubject()).toContain('first')

    await folder.put('second')
    await server.clock.advance(RELOAD_INTERVAL_MS)
    await until(async () => (await presentedSubject()).includes('second'))
    expect(refusedReloads()).toHaveLength(1)
    expect(JSON.stringify(server.logLines())).not.toContain('PRIVATE KEY')
  })
})

describe('the start with an unusable certificate', () => {
  let folder: CertificateFolder
  beforeEach(async () => {
    folder = await openCertificateFolder()
  })
  afterEach(() => folder.close())

  const start = () =>
    startServer({ env: { TLS_CERT_FILE: folder.certFile, TLS_KEY_FILE: folder.keyFile } })

  test('fails when the key belongs to another certificate', async () => {
    await folder.put('first', 'second')

    await expect(start()).rejects.toThrow(/must be a certificate chain and its private key/)
  })

  test('fails when a file is empty, which Node would treat as missing', async () => {
    await writeFile(folder.keyFile, '')

    await expect(start()).rejects.toThrow(`${folder.keyFile} is empty`)
  })

  test('fails when a file is missing and names it', async () => {
    await folder.close()

    await expect(start()).rejects.toThrow(`${folder.certFile} cannot be read: ENOENT`)
  })

  test('fails when other users of the machine may read the key', async () => {
    await chmod(folder.keyFile, 0o644)

    await expect(start()).rejects.toThrow(/chmod 600/)
  })
})

describe('REQUIRE_HTTPS behind a proxy that terminates TLS', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer({ env: { REQUIRE_HTTPS: 'true', TRUST_PROXY: '127.0.0.1' } })
  })
  afterAll(() => server.close())

  const HTTPS = { 'X-Forwarded-Proto': 'https' }
  const call = (path: string, request: WireRequest = {}) => send(server.url + path, request)

  test('serves calls that reached the proxy over HTTPS, with HSTS', async () => {
    const response = await call('/api/v1/status', { headers: HTTPS })

    expect(response.status).toBe(200)
    expect(response.headers['strict-transport-security']).toBe(HSTS)
  })

  test.each([[{}], [{ 'X-Forwarded-Proto': 'http' }]])(
    'refuses calls that reached the proxy without HTTPS, with right credentials, too: %j',
    async (headers: Record<string, string>) => {
      const body = JSON.stringify(LOGIN)
      const request = { method: 'POST', headers: { ...JSON_TYPE, ...headers }, body }

      const response = await call('/api/v1/auth/login', request)

      expect(response.status).toBe(400)
      expect(response.problem()).toMatchObject({
        code: 'invalid-request',
        detail: 'HTTPS is required.',
        retryable: false,
      })
      // RFC 6797 7.2: a header sent over plain HTTP cannot be trusted.
      expect(response.headers).not.toHaveProperty('strict-transport-security')
    },
  )

  test('refuses the console, too, where users type passwords', async () => {
    expect((await call('/docs/console')).problem().detail).toBe('HTTPS is required.')
  })

  test('ignores X-Forwarded-Proto of an untrusted address', async () => {
    const response = await call('/api/v1/status', { headers: HTTPS, from: '127.0.0.2' })

    expect(response.problem().code).toBe('invalid-request')
  })

  test.each(['/api/v1/health', '/api/v1/health/ready'])(
    'lets a load balancer call %s over plain HTTP',
    async (path) => {
      expect((await call(path)).status).toBe(200)
    },
  )
})

test('a server without a certificate and without REQUIRE_HTTPS sends no HSTS', async () => {
  const server = await startServer({ env: { TRUST_PROXY: '1' } })

  const response = await send(`${server.url}/api/v1/status`, {
    headers: { 'X-Forwarded-Proto': 'https' },
  })

  expect(response.headers).not.toHaveProperty('strict-transport-security')

  await server.close()
})
