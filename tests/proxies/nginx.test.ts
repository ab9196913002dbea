import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent, fetch as fetchBy } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { certificateOf, openCertificateFolder } from '../support/process/certificates.ts'
import { type Client, createClient } from '../support/client.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { hasNginx, type Nginx, startNginx } from '../support/wire/nginx.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { resumeStream, textOf } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { send } from '../support/wire/wire.ts'

/** The headers of a client that claims another address and scheme. */
const SPOOFED = {
  'X-Forwarded-For': '203.0.113.9',
  'X-Forwarded-Proto': 'https',
  Forwarded: 'for=203.0.113.9;proto=https',
}

describe.skipIf(!hasNginx)('behind nginx with deploy/nginx.conf and compression', () => {
  const engine = createManualEngine()
  let server: TestServer
  let nginx: Nginx
  beforeAll(async () => {
    server = await startServer({ env: { TRUST_PROXY: '1' }, replacements: { deps: { engine } } })
    nginx = await startNginx({ upstreams: [server.url] })
  })
  afterAll(async () => {
    await nginx.close()
    await server.close()
  })

  /** Creates a user whose calls go through nginx. */
  async function createUser(): Promise<Client> {
    return createClient(nginx.url, (await server.createUser()).identity)
  }

  test('a response with an ETag keeps it strong, and it names the version', async () => {
    const alice = await createUser()
    const create = { body: { title: 'Plans' }, headers: { 'Idempotency-Key': 'plans' } }
    const created = await alice.expect(201, 'createConversation', create)
    const again = await alice.expect(201, 'createConversation', create)
    expect(again.headers['idempotency-replayed']).toBe('true')

    const path = { path: { conversationId: created.body.id } }
    const read = await alice.expect(200, 'getConversation', path)
    const change = (tag: string) => ({
      ...path,
      body: { pinned: true },
      headers: { 'If-Match': tag },
    })
    const tag = read.headers['etag']!
    const changed = await alice.expect(200, 'changeConversation', change(tag))
    const stale = await alice.expect(412, 'changeConversation', change(tag))

    expect([created, again, read].map(({ headers }) => headers['etag'])).toEqual([tag, tag, tag])
    expect(stale.headers['etag']).toBe(changed.headers['etag'])
    for (const { headers } of [created, again, read, changed, stale]) {
      expect(headers['etag']).toMatch(/^"\d+"$/)
      expect(headers).toMatchObject({ 'content-encoding': 'identity' })
      expect(headers['cache-control']).toContain('no-transform')
    }
  })

  test('a response without an ETag is compressed', async () => {
    const alice = await createUser()

    const { headers } = await alice.expect(200, 'listConversations')

    expect(headers['content-encoding']).toBe('gzip')
  })

  test('a document is compressed and can still be 304', async () => {
    const document = await fetch(`${nginx.url}/openapi.yaml`)
    const tag = document.headers.get('etag')!
    expect([document.headers.get('content-encoding'), tag.slice(0, 2)]).toEqual(['gzip', 'W/'])

    const headersAgain = { 'If-None-Match': tag }
    expect((await fetch(`${nginx.url}/openapi.yaml`, { headers: headersAgain })).status).toBe(304)
  })

  test('304 and HEAD responses have the ETag of the resource', async () => {
    const alice = await createUser()
    const { headers } = await alice.expect(200, 'getProfile')
    const tag = headers['etag']!
    for (const value of [tag, `W/${tag}`]) {
      const call = { headers: { 'If-None-Match': value } }
      expect((await alice.expect(304, 'getProfile', call)).headers['etag']).toBe(tag)
    }

    const head = await send(alice.urlOf('getProfile'), {
      method: 'HEAD',
      headers: { ...alice.credentials, 'Accept-Encoding': 'gzip' },
    })

    expect([head.status, head.headers['etag'], head.text]).toEqual([200, tag, ''])
  })

  test('each piece of a stream arrives before the next is produced, also in a resumed stream', async () => {
    const alice = await createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    for (const word of [' one', ' two', ' three']) {
      turn.say(word)
      expect(textOf([(await stream.next())!])).toBe(word)
    }

    const resumed = await resumeStream(alice, start.generationId, begun[1]!.id)
    expect(textOf([(await resumed.next())!])).toBe(' one')

    turn.end()
    expect((await stream.rest()).at(-1)!.name).toBe('message.end')
    expect((await resumed.rest()).at(-1)!.name).toBe('message.end')
  })

  test('a client that hangs up with onDisconnect: cancel cancels its answer', async () => {
    const alice = await createUser()
    const { turn, stream } = await openManualStream(engine, alice, { onDisconnect: 'cancel' })

    stream.hangUp()

    await until(() => turn.signal.aborted)
  })

  test('a stream that Parley breaks off is incomplete for the client too', async () => {
    const alice = await createUser()
    const { turn, stream } = await openManualStream(engine, alice)

    server.parley.server.closeAllConnections()

    await expect(stream.rest()).rejects.toThrow('terminated')

    turn.end()
  })

  test('a client cannot choose its address', async () => {
    const headers = { ...SPOOFED, 'X-Request-Id': 'spoofed' }

    await send(`${nginx.url}/api/v1/health`, { from: '127.0.0.9', headers })
    const line = server.logLines().find(({ requestId }) => requestId === 'spoofed')

    expect(line).toMatchObject({ address: '127.0.0.9' })
  })

  test('a body that is too large gets a problem, until nginx refuses it itself', async () => {
    const alice = await createUser()
    const post = (length: number) =>
      send(alice.urlOf('sendMessage'), {
        method: 'POST',
        headers: { ...alice.credentials, 'Content-Type': 'application/json' },
        body: 'x'.repeat(length),
      })

    expect((await post(1_500_000)).problem().code).toBe('payload-too-large')

    const refused = await post(2_500_000)
    expect([refused.status, refused.headers['content-type']]).toEqual([413, 'text/html'])
  })

  test('a long URL and long headers reach Parley', async () => {
    const query = `?x=${'q'.repeat(12_000)}`
    const moved = await send(`${nginx.url}/modes${query}`)
    expect([moved.status, moved.headers['location']]).toEqual([308, `/api/v1/modes${query}`])

    const long = await send(`${nginx.url}/api/v1/health`, {
      headers: { 'X-Long': 'x'.repeat(18_000) },
    })
    expect(long.problem().code).toBe('headers-too-large')
  })
})

describe.skipIf(!hasNginx)('behind nginx that terminates TLS', () => {
  let folder: Awaited<ReturnType<typeof openCertificateFolder>>
  let server: TestServer
  let nginx: Nginx
  beforeAll(async () => {
    server = await startServer({ env: { TRUST_PROXY: '1', REQUIRE_HTTPS: 'true' } })
    folder = await openCertificateFolder()
    nginx = await startNginx({ upstreams: [server.url], certificate: folder })
  })
  afterAll(async () => {
    await nginx.close()
    await server.close()
    await folder.close()
  })

  test('HTTP/2 over TLS counts as HTTPS, and plain HTTP does not, even with a forged header', async () => {
    const ca = await certificateOf('first')
    const dispatcher = new Agent({ allowH2: true, connect: { ca } })

    const secure = await fetchBy(`${nginx.secureUrl}/api/v1/modes`, { dispatcher })

    expect(secure.status).toBe(200)
    expect(secure.headers.get('strict-transport-security')).toBe('max-age=31536000')

    await secure.text()
    await dispatcher.close()
    const plain = await send(`${nginx.url}/api/v1/modes`, { headers: SPOOFED })
    expect(plain.problem()).toMatchObject({
      code: 'invalid-request',
      detail: 'HTTPS is required.',
    })
  })
})

describe.skipIf(!hasNginx)('nginx when one of two servers breaks off a call', () => {
  const open: { close(): unknown }[] = []
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
  })

  /** Starts a server that answers every call, or breaks it off; `seen` lists the calls. */
  async function startUpstreamServer(breaksOff: {
    value: boolean
  }): Promise<{ url: string; seen: string[] }> {
    const seen: string[] = []
    const server: Server = createServer((req, res) => {
      if (req.url !== '/') seen.push(`${String(req.method)} ${String(req.url)}`)
      if (breaksOff.value) req.socket.destroy()
      else res.end('{}')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    open.push(server)
    return { url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, seen }
  }

  test.each([
    ['POST', 502, 1],
    ['PATCH', 502, 1],
    ['GET', 200, 2],
  ])('answers a %s with %i and sends it %i times', async (method, status, times) => {
    const [both, none] = [{ value: false }, { value: false }]
    const servers = [await startUpstreamServer(both), await startUpstreamServer(none)]
    const nginx = await startNginx({ upstreams: servers.map(({ url }) => url) })
    open.push(nginx)
    // Whichever server gets the first call breaks it off, and the other answers.
    both.value = true
    const answers = [1, 2].map(() => send(`${nginx.url}/call`, { method }))

    const statuses = (await Promise.all(answers)).map((answer) => answer.status)
    const sent = servers.flatMap(({ seen }) => seen)

    expect(statuses.sort()).toEqual([200, status])
    expect(sent).toHaveLength(1 + times)
  })
})
