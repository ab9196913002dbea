import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { operationsIn, resolve } from '../../src/contract/document.ts'
import { contract } from '../support/contract.ts'
import { startServer, type TestServer } from '../support/server.ts'

const ALLOWED = 'https://app.example'
const OTHER = 'https://elsewhere.example'

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: { CORS_ORIGINS: ALLOWED } })
})
afterAll(() => server.close())

/** What a browser asks before a page may call: one header that no plain form could send. */
function preflight(origin: string): Promise<Response> {
  const asks = {
    'Access-Control-Request-Method': 'PATCH',
    'Access-Control-Request-Headers': 'authorization',
  }
  const headers = { Origin: origin, ...asks }
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

  test('may send every header that the contract asks for', async () => {
    const response = await preflight(ALLOWED)
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe(ALLOWED)
    const sendable = listIn(response, 'access-control-allow-headers')
    const asked = ['Authorization', 'Content-Type', 'Idempotency-Key', 'If-Match', 'Last-Event-ID']
    expect(sendable).toEqual(expect.arrayContaining([...asked, 'X-API-Key', 'X-Request-Id']))
    expect(listIn(response, 'access-control-allow-methods')).toContain('PATCH')
  })
})

test('a page of any other origin may do neither', async () => {
  for (const response of [await call(OTHER), await preflight(OTHER)]) {
    expect(response.headers.get('access-control-allow-origin')).not.toBe(OTHER)
    expect(response.headers.get('access-control-allow-origin')).not.toBe('*')
  }
})

test('no credential goes by itself: cookies are never asked for', async () => {
  const response = await call(ALLOWED)
  expect(response.headers.get('access-control-allow-credentials')).toBeNull()
  expect(response.headers.get('set-cookie')).toBeNull()
})
