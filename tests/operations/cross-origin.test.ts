import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copyDocsAssets } from '../../scripts/copy-docs-assets.ts'
import { operationsIn, resolve } from '../../src/contract/document.ts'
import { contract } from '../support/contract/contract.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { allRoutes } from '../support/contract/routes.ts'
import { startServer, type TestServer } from '../support/server.ts'

const ALLOWED = 'https://app.example'
const OTHER = 'https://elsewhere.example'

/** Headers that every page may read by the Fetch standard, and those of the browser or the connection. */
const NEEDS_NO_EXPOSURE =
  /^(access-control-|cache-control|content-|connection|cross-origin-|date|keep-alive|origin-agent-|referrer-policy|transfer-encoding|vary|x-(content-type|dns-prefetch|download|frame|permitted|xss))/

let server: TestServer
beforeAll(async () => {
  await copyDocsAssets()
  server = await startServer({
    env: { CORS_ORIGINS: ALLOWED, SECURITY_CONTACT: 'mailto:a@b.example' },
  })
})
afterAll(() => server.close())

/** Sends the preflight of a call with a header that an HTML form cannot send. */
function preflight(origin: string): Promise<Response> {
  const requested = {
    'Access-Control-Request-Method': 'PATCH',
    'Access-Control-Request-Headers': 'authorization',
  }
  const headers = { Origin: origin, ...requested }
  return fetch(`${server.url}/api/v1/users/profile`, { method: 'OPTIONS', headers })
}

const call = (origin: string) =>
  fetch(`${server.url}/api/v1/health`, { headers: { Origin: origin } })

const listIn = (response: Response, name: string): string[] =>
  (response.headers.get(name) ?? '').split(/ *, */).filter(Boolean)

describe('a page of an origin in CORS_ORIGINS', () => {
  test('may read every header that the contract describes', async () => {
    const response = await call(ALLOWED)
    expect(response.headers.get('access-control-allow-origin')).toBe(ALLOWED)
    expect(response.headers.get('vary')).toContain('Origin')

    const readable = listIn(response, 'access-control-expose-headers')
    const { document } = contract
    const described = operationsIn(document)
      .flatMap(({ responses }) => Object.values(responses))
      .flatMap((one) => Object.keys(resolve(document, one).headers ?? {}))
    expect(described.length).toBeGreaterThan(100)
    expect(readable).toEqual(expect.arrayContaining([...new Set(described), 'Allow']))
  })

  test('may send every header of the contract', async () => {
    const response = await preflight(ALLOWED)
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe(ALLOWED)

    const sendable = listIn(response, 'access-control-allow-headers')
    const described = [
      'Authorization',
      'Content-Type',
      'Idempotency-Key',
      'If-Match',
      'Last-Event-ID',
    ]
    expect(sendable).toEqual(expect.arrayContaining([...described, 'X-API-Key', 'X-Request-Id']))
    expect(listIn(response, 'access-control-allow-methods')).toContain('PATCH')
  })

  test('may send the headers that client libraries add', async () => {
    const sendable = listIn(await preflight(ALLOWED), 'access-control-allow-headers')
    const added = ['traceparent', 'tracestate', 'Cache-Control', 'X-Requested-With']

    expect(sendable).toEqual(expect.arrayContaining(added))

    const headers = {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'vendor=value',
      'Cache-Control': 'no-cache',
      'X-Requested-With': 'XMLHttpRequest',
    }
    const response = await fetch(`${server.url}/api/v1/health`, { headers })
    expect(response.status).toBe(200)
  })
})

describe('every response', () => {
  let broken: TestServer
  let store: TestStore
  beforeAll(async () => {
    store = await openTestStore()
    broken = await startServer({
      env: { CORS_ORIGINS: ALLOWED },
      testStore: store,
      allowsViolations: true,
      replacements: {
        operations: (real) => ({
          ...real,
          listModes: () => Promise.reject(new Error('an unexpected failure')),
        }),
      },
    })
    await store.close()
  })
  afterAll(() => broken.close())

  type Call = { url: string; init?: RequestInit }
  const logIn = (to: TestServer, type: string, body: string): Call => ({
    url: `${to.url}/api/v1/auth/login`,
    init: { method: 'POST', headers: { 'Content-Type': type }, body },
  })
  /** Calls for the statuses that a plain call of each route does not return. */
  const specialCalls = async (): Promise<Call[]> => {
    const etag = (await fetch(`${server.url}/openapi.yaml`)).headers.get('etag')!
    return [
      { url: `${server.url}/openapi.yaml`, init: { headers: { 'If-None-Match': etag } } },
      { url: `${server.url}/nothing` },
      { url: `${server.url}/api/v1/nothing` },
      { url: `${server.url}/docs/problems/%zz` },
      { url: `${server.url}/docs`, init: { method: 'POST' } },
      { url: `${server.url}/api/v1/health`, init: { method: 'POST' } },
      { url: `${server.url}/api/v1/health`, init: { method: 'OPTIONS' } },
      { url: `${server.url}/api/v1/health?nonsense=1` },
      { url: `${server.url}/api/v1/health`, init: { headers: { Accept: 'text/html' } } },
      logIn(server, 'application/json', 'x'.repeat(262_145)),
      logIn(server, 'text/plain', 'x'),
      { url: `${broken.url}/api/v1/modes` },
      { url: `${broken.url}/api/v1/health/ready` },
      logIn(broken, 'application/json', '{"email":"a@example.com","password":"12345678"}'),
    ]
  }
  const allCalls = async (): Promise<Call[]> => [
    ...allRoutes().map(({ method, path }) => ({ url: server.url + path, init: { method } })),
    ...(await specialCalls()),
  ]

  const send = ({ url, init = {} }: Call, origin?: string) => {
    const headers = new Headers(init.headers)
    if (origin !== undefined) headers.set('Origin', origin)
    return fetch(url, { ...init, headers, redirect: 'manual' })
  }

  test('exposes each of its headers to a page of an origin in CORS_ORIGINS', async () => {
    const statuses = new Set<number>()

    for (const call of await allCalls()) {
      const { status, headers } = await send(call, ALLOWED)
      statuses.add(status)
      const what = `${status} ${call.init?.method ?? 'GET'} ${call.url}`
      expect([what, headers.get('access-control-allow-origin')]).toEqual([what, ALLOWED])
      expect([what, headers.get('vary')]).toEqual([what, 'Origin'])
      const readable = (headers.get('access-control-expose-headers') ?? '')
        .toLowerCase()
        .split(', ')
      const hidden = [...headers.keys()].filter(
        (name) => !readable.includes(name) && !NEEDS_NO_EXPOSURE.test(name),
      )
      expect([what, hidden]).toEqual([what, []])
    }
    const expected = [200, 204, 302, 304, 308, 400, 401, 404, 405, 406, 413, 415, 500, 503]

    expect([...statuses].sort()).toEqual(expected)
  })

  test.each([OTHER, 'null', `${ALLOWED}.example`, ALLOWED.toUpperCase(), undefined])(
    'is not readable for the origin %s and has Vary: Origin',
    async (origin) => {
      for (const call of await allCalls()) {
        const { status, headers } = await send(call, origin)
        const what = `${status} ${call.init?.method ?? 'GET'} ${call.url}`
        expect([what, headers.get('vary')]).toEqual([what, 'Origin'])
        expect([what, headers.get('access-control-allow-origin')]).toEqual([what, null])
      }
    },
  )

  test('is readable, too, when it refuses plain HTTP', async () => {
    const strict = await startServer({ env: { CORS_ORIGINS: ALLOWED, REQUIRE_HTTPS: 'true' } })

    const response = await send({ url: `${strict.url}/api/v1/modes` }, ALLOWED)

    expect(response.status).toBe(400)
    expect(response.headers.get('access-control-allow-origin')).toBe(ALLOWED)

    await strict.close()
  })
})

describe('preflights', () => {
  test('are free of rate limits for every path and origin', async () => {
    const env = { CORS_ORIGINS: ALLOWED, RATE_LIMIT_ANONYMOUS: '1/3600' }
    const limited = await startServer({ env })

    for (const origin of [ALLOWED, OTHER]) {
      for (const path of ['/api/v1/status', '/api/v1/nothing', '/docs', '/chat']) {
        const headers = { Origin: origin, 'Access-Control-Request-Method': 'POST' }
        const response = await fetch(limited.url + path, { method: 'OPTIONS', headers })
        expect([path, response.status]).toEqual([path, 204])
        expect(response.headers.get('ratelimit')).toBeNull()
      }
    }

    expect((await fetch(`${limited.url}/api/v1/status`)).status).toBe(200)

    await limited.close()
  })

  test('do not allow access to a private network', async () => {
    const headers = {
      Origin: ALLOWED,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Private-Network': 'true',
    }

    const response = await fetch(`${server.url}/api/v1/chat`, { method: 'OPTIONS', headers })

    expect(response.headers.get('access-control-allow-private-network')).toBeNull()
  })
})

test('an OPTIONS request that is not a preflight returns the methods of the path', async () => {
  const init = { method: 'OPTIONS', headers: { Origin: ALLOWED } }

  const response = await fetch(`${server.url}/api/v1/chat`, init)

  expect([response.status, response.headers.get('allow')]).toEqual([204, 'POST'])
  expect(response.headers.get('access-control-allow-origin')).toBe(ALLOWED)
})

test('a page of another origin may neither read a response nor send a preflighted call', async () => {
  for (const response of [await call(OTHER), await preflight(OTHER)]) {
    expect(response.headers.get('access-control-allow-origin')).not.toBe(OTHER)
    expect(response.headers.get('access-control-allow-origin')).not.toBe('*')
  }
})

test('responses allow no credentials of the browser and set no cookie', async () => {
  const response = await call(ALLOWED)

  expect(response.headers.get('access-control-allow-credentials')).toBeNull()
  expect(response.headers.get('set-cookie')).toBeNull()
})
