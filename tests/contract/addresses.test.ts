import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copyDocsAssets } from '../../scripts/copy-docs-assets.ts'
import { allRoutes, type Route } from '../support/contract/routes.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { sendBytes, type WireResponse } from '../support/wire/wire.ts'

/*
 * How an address may be written: each path in one way alone, and in the forms of HTTP that every
 * server must take.
 */

let server: TestServer
beforeAll(async () => {
  await copyDocsAssets()
  server = await startServer({ env: { SECURITY_CONTACT: 'mailto:security@example.com' } })
})
afterAll(() => server.close())

const routes = allRoutes()
const places = [...new Map(routes.map((route) => [`${route.method} ${route.path}`, route]))]

/** Node's own client would tidy the address up. */
function ask(method: string, target: string): Promise<WireResponse> {
  const head = `${method} ${target} HTTP/1.1\r\nHost: parley\r\nConnection: close\r\n\r\n`
  return sendBytes(server.url, head)
}

const swapCase = (letter: string) =>
  letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()
const escape = (letter: string) => `%${letter.charCodeAt(0).toString(16)}`

/** Ways to write a path that some servers, proxies or file systems take for the same. */
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

/** What stands at the place of a parameter is its value, and no spelling of the path. */
const isValue = (spelling: string) =>
  routes.some(({ pattern }) => pattern.test(spelling.replace(/^http:\/\/host/, '')))

test('all kinds of routes are walked', () => {
  const some = ['/', '/docs', '/openapi.yaml', '/.well-known/security.txt', '/docs/assets/docs.css']
  const paths = routes.map(({ path }) => path)

  for (const path of [...some, '/docs/problems/not-found', '/chat', '/api/v1/health']) {
    expect(paths).toContain(path)
  }
})

describe.each(places)('%s', (_name, route) => {
  test('is there by this spelling and by no other: 404, counted like any unknown path', async () => {
    const found = await ask(route.method, route.path)
    expect(found.status).not.toBe(404)

    const spellings = spellingsOf(route)
    expect(spellings.length).toBeGreaterThan(10)

    const answers = await Promise.all(spellings.map((spelling) => ask(route.method, spelling)))
    for (const [index, answer] of answers.entries()) {
      expect([spellings[index], answer.status]).toEqual([spellings[index], 404])
      expect(answer.problem().code).toBe('not-found')
      expect(answer.headers['ratelimit']).toMatch(/^"anonymous";r=/)
    }
  })
})

describe('an address in absolute form', () => {
  test.each(['http://elsewhere.example', 'HTTPS://user@ELSEWHERE.example:1'])(
    'with %s is answered as its path',
    async (origin) => {
      expect((await ask('GET', `${origin}/api/v1/health`)).json()).toEqual({ status: 'up' })
      expect((await ask('GET', origin)).headers['location']).toBe('/docs')

      const moved = await ask('GET', `${origin}/status?x=1`)
      expect(moved.headers['location']).toBe('/api/v1/status?x=1')

      const nothing = await ask('GET', `${origin}/api/v1/nothing?x=1`)
      expect(nothing.problem()).toMatchObject({ code: 'not-found', instance: '/api/v1/nothing' })

      const refused = await ask('GET', `${origin}/api/v1/health?nonsense=1`)
      expect(refused.problem()).toMatchObject({ status: 400, instance: '/api/v1/health' })
    },
  )
})

test('what follows # belongs to the value before it, and is not dropped', async () => {
  const answer = await ask('GET', '/api/v1/health?#&nonsense=1')

  expect(answer.problem().errors!.map(({ pointer }) => pointer)).toEqual(['#', 'nonsense'])
})

describe('OPTIONS', () => {
  let poor: TestServer
  beforeAll(async () => {
    poor = await startServer({ env: { RATE_LIMIT_ANONYMOUS: '1/3600' } })
  })
  afterAll(() => poor.close())
  const asked = [...new Set(routes.map(({ path }) => path))].filter(
    // Only where there is a contact.
    (path) => path !== '/.well-known/security.txt',
  )
  const options = (target: string) =>
    sendBytes(poor.url, `OPTIONS ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)

  test('is free at every route, and names the methods that it has', async () => {
    for (const path of asked) {
      const { status, text, headers } = await options(path)
      expect([path, status, text]).toEqual([path, 204, ''])
      const here = routes.filter((route) => route.path === path)
      for (const { method } of here) expect(headers['allow']!.split(', ')).toContain(method)
      expect(headers).not.toHaveProperty('ratelimit')
    }

    expect((await options('/api/v1/status')).status).toBe(204)
  })

  test('with * names the methods of the server', async () => {
    const { status, headers } = await options('*')

    expect(status).toBe(204)
    expect(headers['allow']).toBe('DELETE, GET, HEAD, PATCH, POST, PUT')
  })

  test('is free even where there is nothing, and has taken nothing from the caller', async () => {
    for (const path of ['/nothing', '/api/v1/nothing', '/docs/problems/%zz', '/docs/']) {
      const answer = await options(path)
      expect([400, 404]).toContain(answer.status)
      expect(answer.headers).not.toHaveProperty('ratelimit')
    }

    const status = await fetch(`${poor.url}/api/v1/status`)

    expect(status.headers.get('ratelimit')).toMatch(/^"anonymous";r=0;/)
  })
})
