import { createServer, type Server } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { copyDocsAssets } from '../../scripts/copy-docs-assets.ts'
import { type Contract, loadContract } from '../../src/contract/document.ts'
import { PROBLEMS } from '../../src/domain/problem.ts'
import { createDocs } from '../../src/http/docs/docs.ts'
import { ASSETS } from '../../src/http/docs/assets.ts'
import { securityHeaders } from '../../src/http/response/security-headers.ts'
import { startServer, type TestServer } from '../support/server.ts'

const contract = loadContract()
const codes = contract.document.components.schemas['ProblemCode']!.enum!
const PAGES = ['/docs', '/docs/ko', '/docs/console', '/docs/problems/not-found']
const DOCUMENTS = ['/openapi.yaml', '/openapi.json', '/openapi-3.1.json', '/workflows.arazzo.yaml']
const GUIDE = '/docs/ko/guide.md'
const FIXED = [
  ...PAGES,
  GUIDE,
  ...DOCUMENTS,
  ...Object.keys(ASSETS).map((name) => `/docs/assets/${name}`),
]

let server: TestServer
beforeAll(async () => {
  await copyDocsAssets()
  server = await startServer()
})
afterAll(() => server.close())

const get = (path: string, init: RequestInit = {}) =>
  fetch(server.url + path, { redirect: 'manual', ...init })

describe('pages', () => {
  test('/ redirects to the docs', async () => {
    const response = await get('/')

    expect(response.status).toBe(302)
    expect(response.headers.get('location')).toBe('/docs')
  })

  test.each(PAGES)('%s may run only scripts of this server', async (path) => {
    const { headers } = await get(path)
    const policy = headers.get('content-security-policy')!

    expect(policy).toContain("default-src 'none';script-src 'self';style-src 'self'")
    expect(policy).toContain("frame-ancestors 'none';base-uri 'none';form-action 'none'")
    expect(policy).not.toMatch(/unsafe|https?:|\*/)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
  })

  test.each(PAGES)(
    '%s contains no inline script, no inline style and no URL of another host',
    async (path) => {
      const html = await (await get(path)).text()
      expect(html).not.toMatch(/<script(?! src="\/docs\/assets\/)|<style|style=|\son\w+=|https?:/)

      const language = path === '/docs/ko' ? 'ko' : 'en'
      expect(html).toMatch(new RegExp(`^<!doctype html>\n<html lang="${language}">`))
      expect(html).toContain('name="viewport"')
    },
  )
})

describe('languages', () => {
  test.each([
    ['/docs', 'en'],
    ['/docs/ko', 'ko'],
    [GUIDE, 'ko'],
  ])('%s has the Content-Language %s', async (path, language) => {
    expect((await get(path)).headers.get('content-language')).toBe(language)
  })

  test.each(['/docs', '/docs/ko'])('%s declares both languages and links to both', async (path) => {
    const html = await (await get(path)).text()

    expect(html).toContain('<link rel="alternate" hreflang="en" href="/docs">')
    expect(html).toContain('<link rel="alternate" hreflang="ko" href="/docs/ko">')
    expect(html).toMatch(/<a [^>]*href="\/docs"/)
    expect(html).toMatch(/<a [^>]*href="\/docs\/ko"/)
  })
})

describe('pages of problems', () => {
  test.each(codes)('%s has a page with its code and status', async (code) => {
    const response = await get(`/docs/problems/${code}`)
    expect(response.status).toBe(200)

    const html = await response.text()
    expect(html).toContain(`<h1><code>${code}</code></h1>`)
    expect(html).toContain(`${PROBLEMS[code as keyof typeof PROBLEMS].status} `)
    expect(html).not.toContain('`')
  })

  test.each(['nothing-like-it', '__proto__', 'constructor', '', 'not-found/x'])(
    'the unknown code "%s" returns 404',
    async (code) => {
      const response = await get(`/docs/problems/${code}`)

      expect(response.status).toBe(404)
      expect(response.headers.get('content-type')).toBe('application/problem+json')
    },
  )

  test('createDocs throws when the table of errors lacks a code', () => {
    const description = contract.document.info.description!.replace('`not-found`', '`lost`')
    const { document, yaml } = contract
    const info = { ...document.info, description }
    const incomplete: Contract = { yaml, document: { ...document, info } }

    expect(() => createDocs({ contract: incomplete, publicJwks: () => ({}) })).toThrow(/not-found/)
  })
})

describe('documents', () => {
  test('/openapi.yaml is the contract, unchanged', async () => {
    const response = await get('/openapi.yaml')

    expect(response.headers.get('content-type')).toBe('application/yaml')
    expect(await response.text()).toBe(contract.yaml)
  })

  test('/openapi.json is the contract as JSON', async () => {
    const response = await get('/openapi.json')

    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toEqual(parse(contract.yaml))
  })

  test('/workflows.arazzo.yaml refers to the contract of the same server', async () => {
    const response = await get('/workflows.arazzo.yaml')
    expect(response.headers.get('content-type')).toBe('application/yaml')

    const { sourceDescriptions } = parse(await response.text()) as {
      sourceDescriptions: { url: string }[]
    }
    const url = new URL(sourceDescriptions[0]!.url, `${server.url}/workflows.arazzo.yaml`)
    expect(await (await fetch(url)).text()).toBe(contract.yaml)
  })

  test('/.well-known/jwks.json is a JWK Set without private keys', async () => {
    const response = await get('/.well-known/jwks.json')
    expect(response.headers.get('content-type')).toBe('application/jwk-set+json')
    expect(response.headers.get('cache-control')).toBe('public, max-age=30')

    const { keys } = (await response.json()) as { keys: Record<string, unknown>[] }
    expect(keys.length).toBeGreaterThan(0)
    for (const key of keys) expect(key).not.toHaveProperty('d')
  })
})

describe('caching', () => {
  test.each(FIXED)('%s has a strong ETag and returns 304 when it matches', async (path) => {
    const first = await get(path)
    expect(first.status).toBe(200)
    expect(first.headers.get('cache-control')).toBe('public, no-cache')

    const etag = first.headers.get('etag')!
    expect(etag).toMatch(/^"[\w-]{32}"$/)

    for (const ifNoneMatch of [etag, `"x", W/${etag}`, '*']) {
      const again = await get(path, { headers: { 'If-None-Match': ifNoneMatch } })
      expect([again.status, await again.text()]).toEqual([304, ''])
      expect(again.headers.get('etag')).toBe(etag)
    }
    const other = await get(path, { headers: { 'If-None-Match': '"x"' } })
    expect(other.status).toBe(200)
  })

  test.each([...FIXED, '/.well-known/jwks.json'])(
    'HEAD %s returns the headers of GET without a body',
    async (path) => {
      const [head, whole] = await Promise.all([get(path, { method: 'HEAD' }), get(path)])
      const cachingHeaders = (response: Response) =>
        ['etag', 'content-type', 'content-length', 'cache-control'].map((n) =>
          response.headers.get(n),
        )

      expect([head.status, await head.text()]).toEqual([200, ''])
      expect(cachingHeaders(head)).toEqual(cachingHeaders(whole))
    },
  )
})

test('a query changes no page: tools add one to bypass a cache', async () => {
  for (const path of [...PAGES, ...DOCUMENTS, '/.well-known/jwks.json']) {
    const [plain, queried] = await Promise.all([get(path), get(`${path}?v=1&x[__proto__]=1`)])
    expect([path, queried.status]).toEqual([path, 200])
    expect(await queried.text()).toBe(await plain.text())
  }
})

describe('unsupported methods', () => {
  const paths = ['/', ...PAGES, ...DOCUMENTS, '/docs/assets/docs.css', '/.well-known/jwks.json']
  test.each(paths)('POST %s returns 405 with the supported methods', async (path) => {
    const response = await get(path, { method: 'POST' })

    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('GET, HEAD')
    expect(await response.json()).toMatchObject({ code: 'method-not-allowed' })
  })
})

describe('assets', () => {
  test.each([
    '/docs/assets/../../package.json',
    '/docs/assets/..%2f..%2fpackage.json',
    '/docs/assets/%2e%2e/%2e%2e/package.json',
    '/docs/assets/..%5c..%5cpackage.json',
    '/docs/assets//etc/passwd',
    '/docs/assets/docs.css%00.txt',
    '/docs/assets/toString',
    '/docs/assets/',
  ])('%s returns 404', async (path) => {
    expect(await rawStatus(path)).toBe(404)
  })

  test('createDocs throws when they are missing and names the command that copies them', async () => {
    const assetsDirectory = await mkdtemp(join(tmpdir(), 'parley-docs-'))
    const create = () => createDocs({ contract, publicJwks: () => ({}), assetsDirectory })

    expect(create).toThrow(/npm run build/)

    await rm(assetsDirectory, { recursive: true })
  })

  test('the bundled Redoc contains no URL of its vendor’s logo', async () => {
    const script = await (await get('/docs/assets/redoc.standalone.js')).text()

    expect(script).not.toContain('cdn.redoc')
  })
})

test('the router passes every other path to the next handler', async () => {
  const app = express()
  app.use(securityHeaders, createDocs({ contract, publicJwks: () => ({}) }))
  app.use((_req, res) => void res.status(418).end())
  const bare: Server = createServer(app)
  await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(bare.address() as AddressInfo).port}`
  for (const path of ['/api/v1/health', '/docs/other', '/docs/problems/other', '/openapi.yml']) {
    expect((await fetch(url + path, { method: 'POST' })).status).toBe(418)
  }

  bare.close()
})

/** Sends the path as it is over a socket; `fetch` would resolve its dots. */
function rawStatus(path: string): Promise<number> {
  const { hostname, port } = new URL(server.url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    socket.once('error', reject)
    socket.once('data', (data) => {
      resolve(Number(data.toString('latin1').split(' ')[1]))
      socket.destroy()
    })
    socket.write(`GET ${path} HTTP/1.1\r\nHost: parley\r\nConnection: close\r\n\r\n`)
  })
}
