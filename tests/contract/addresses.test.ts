import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copyDocsAssets } from '../../scripts/copy-docs-assets.ts'
import { allRoutes, type Route } from '../support/contract/routes.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { sendBytes, type WireResponse } from '../support/wire/wire.ts'

/*
 * How a URL may be written: each path in exactly one spelling, and in the forms of HTTP that every
 * server must accept.
 */

let server: TestServer
beforeAll(async () => {
  await copyDocsAssets()
  server = await startServer({ env: { SECURITY_CONTACT: 'mailto:security@example.com' } })
})
afterAll(() => server.close())

const routes = allRoutes()
const uniqueRoutes = [...new Map(routes.map((route) => [`${route.method} ${route.path}`, route]))]

/** Sends the target as it is; Node's own client would normalize it. */
function sendRaw(method: string, target: string): Promise<WireResponse> {
  const head = `${method} ${target} HTTP/1.1\r\nHost: parley\r\nConnection: close\r\n\r\n`
  return sendBytes(server.url, head)
}

const swapCase = (letter: string) =>
  letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()
const escape = (letter: string) => `%${letter.charCodeAt(0).toString(16)}`

/** Returns spellings of a path that some servers, proxies or file systems treat as the same path. */
function spellingsOf({ path }: Route): string[] {
  const letter = path.search(/[a-z]/i)
  const change = (how: (letter: string) => string) =>
    letter === -1 ? [] : [path.slice(0, letter) + how(path[letter]!) + path.slice(letter + 1)]
  const slashes = [...path.matchAll(/\//g)].map(({ index }) => index)
  const doubled = slashes.map((at) => `${path.slice(0, at)}/${path.slice(at)}`)
  const prefixed = ['/.', '/x/..', '/..;', '/;', 'foo://host', 'http://host/'].map((p) => p + path)
  const suffixes = ['/', '//', '/.', '/..', ';', ';x=1', '#x', '%2f', '%20', '.', '\\']
  const suffixed = suffixes.map((suffix) => path + suffix)
  const ends = path === '/' ? [] : [path.slice(0, -1) + escape(path.at(-1)!)]
  const otherSlashes = ['\\', '%2f'].flatMap((other) =>
    slashes.slice(1).map((at) => path.slice(0, at) + other + path.slice(at + 1)),
  )
  return [change(swapCase), change(escape), doubled, prefixed, suffixed, ends, otherSlashes]
    .flat()
    .filter((spelling) => !isValue(spelling))
}

/** Text in the position of a parameter is its value, not a spelling of the path. */
const isValue = (spelling: string) =>
  routes.some(({ pattern }) => pattern.test(spelling.replace(/^http:\/\/host/, '')))

test('the walk over the routes includes every kind of route', () => {
  const some = ['/', '/docs', '/openapi.yaml', '/.well-known/security.txt', '/docs/assets/docs.css']
  const paths = routes.map(({ path }) => path)

  for (const path of [...some, '/docs/problems/not-found', '/chat', '/api/v1/health']) {
    expect(paths).toContain(path)
  }
})

describe.each(uniqueRoutes)('%s', (_name, route) => {
  test('is found by this spelling alone; every other is a rate-limited 404', async () => {
    const found = await sendRaw(route.method, route.path)
    expect(found.status).not.toBe(404)

    const spellings = spellingsOf(route)
    expect(spellings.length).toBeGreaterThan(10)

    const responses = await Promise.all(
      spellings.map((spelling) => sendRaw(route.method, spelling)),
    )
    for (const [index, response] of responses.entries()) {
      expect([spellings[index], response.status]).toEqual([spellings[index], 404])
      expect(response.problem().code).toBe('not-found')
      expect(response.headers['ratelimit']).toMatch(/^"anonymous";r=/)
    }
  })
})

describe('a request target in absolute form', () => {
  test.each(['http://elsewhere.example', 'HTTPS://user@ELSEWHERE.example:1'])(
    'with the origin %s is served by its path',
    async (origin) => {
      expect((await sendRaw('GET', `${origin}/api/v1/health`)).json()).toEqual({ status: 'up' })
      expect((await sendRaw('GET', origin)).headers['location']).toBe('/docs')

      const moved = await sendRaw('GET', `${origin}/status?x=1`)
      expect(moved.headers['location']).toBe('/api/v1/status?x=1')

      const unknown = await sendRaw('GET', `${origin}/api/v1/nothing?x=1`)
      expect(unknown.problem()).toMatchObject({ code: 'not-found', instance: '/api/v1/nothing' })

      const refused = await sendRaw('GET', `${origin}/api/v1/health?nonsense=1`)
      expect(refused.problem()).toMatchObject({ status: 400, instance: '/api/v1/health' })
    },
  )
})

test('the query keeps what follows a #', async () => {
  const response = await sendRaw('GET', '/api/v1/health?#&nonsense=1')

  expect(response.problem().errors!.map(({ pointer }) => pointer)).toEqual(['#', 'nonsense'])
})

describe('OPTIONS', () => {
  let limited: TestServer
  beforeAll(async () => {
    limited = await startServer({ env: { RATE_LIMIT_ANONYMOUS: '1/3600' } })
  })
  afterAll(() => limited.close())
  const targets = [...new Set(routes.map(({ path }) => path))].filter(
    // Served only where a contact is configured.
    (path) => path !== '/.well-known/security.txt',
  )
  const options = (target: string) =>
    sendBytes(limited.url, `OPTIONS ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)

  test('is free of rate limits at every route and names its methods', async () => {
    for (const path of targets) {
      const { status, text, headers } = await options(path)
      expect([path, status, text]).toEqual([path, 204, ''])
      const here = routes.filter((route) => route.path === path)
      for (const { method } of here) expect(headers['allow']!.split(', ')).toContain(method)
      expect(headers).not.toHaveProperty('ratelimit')
    }

    expect((await options('/api/v1/status')).status).toBe(204)
  })

  test('names the methods of the whole server for *', async () => {
    const { status, headers } = await options('*')

    expect(status).toBe(204)
    expect(headers['allow']).toBe('DELETE, GET, HEAD, PATCH, POST, PUT')
  })

  test('is free of rate limits at unknown paths, too', async () => {
    for (const path of ['/nothing', '/api/v1/nothing', '/docs/problems/%zz', '/docs/']) {
      const response = await options(path)
      expect([400, 404]).toContain(response.status)
      expect(response.headers).not.toHaveProperty('ratelimit')
    }

    const status = await fetch(`${limited.url}/api/v1/status`)

    expect(status.headers.get('ratelimit')).toMatch(/^"anonymous";r=0;/)
  })
})
