import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { exampleBody, fillPath, operations, parametersOf } from '../support/contract/operations.ts'
import { PUBLIC_ACCEPT } from '../support/contract/public-accept.ts'
import { send } from '../support/wire/wire.ts'
import {
  JSON_TYPE,
  alice,
  asJson,
  named,
  sendAsAlice,
  server,
  text,
  urlOf,
} from './bad-input.given.ts'

/** Queries that some parsers shorten or misread, with the parameter that is refused. */
const UNKNOWN_QUERIES: [query: string, pointer: string][] = [
  ['__proto__=1', '__proto__'],
  ['constructor', 'constructor'],
  ['nonsense[__proto__]=1', 'nonsense[__proto__]'],
  ['nonsense[constructor]=1', 'nonsense[constructor]'],
  ['%5B=1', '['],
  ['%6eonsense=1', 'nonsense'],
  ['non+sense=1', 'non sense'],
  ['=1', ''],
  ['?nonsense=1', '?nonsense'],
  ['a;nonsense=1', 'a;nonsense'],
  [`${'&'.repeat(1_500)}nonsense=1`, 'nonsense'],
  [`${'&'.repeat(15_000)}nonsense=1`, 'nonsense'],
]

/** Returns unknown parameters whose names resemble a known one, with the parameter that is refused. */
const disguised = (name: string): [query: string, pointer: string][] =>
  ['[]', '[__proto__]', '[constructor]', '[a]', '.a', '%20', '+'].map((ending) => [
    `${name}${ending}=1`,
    `${name}${ending.replace(/%20|\+/, ' ')}`,
  ])

const secured = named(operations.filter(({ auth }) => auth === 'required' || auth === 'session'))

const withIds = named(operations.filter((one) => parametersOf(one).length > 0))

const withResponseBody = named(
  operations.filter(({ replies }) => [...replies.values()].some((type) => type !== undefined)),
)

describe.each(secured)('$operationId', ({ operation }) => {
  test('requires a credential before it checks anything else', async () => {
    const request = { method: operation.method, headers: JSON_TYPE, body: '{' }

    const response = await send(urlOf(operation, '?nonsense=%00'), request)

    expect(response.status).toBe(401)
    expect(response.problem().code).toBe('unauthenticated')
    expect(response.headers['www-authenticate']).toBe('Bearer realm="parley"')
  })

  test.each([
    ['Basic YWRhOmFkYQ=='],
    ['Bearer'],
    ['Bearer a b'],
    ['Bearer junk'],
    ['Basic bearer junk'],
  ])('refuses the invalid credential %s', async (authorization) => {
    const headers = { Authorization: authorization }

    const response = await send(urlOf(operation), { method: operation.method, headers })

    expect(response.status).toBe(401)
    expect(response.problem().code).toBe('token-invalid')
    expect(response.headers['www-authenticate']).toMatch(
      /^Bearer realm="parley", error="invalid_token"/,
    )
  })

  test('refuses a token without the required scopes', async () => {
    const { sessionId } = alice.identity
    const profile = await alice.expect(200, 'getProfile')
    const { token } = await server.parley.deps.accessTokens.issue({
      subject: profile.body.id,
      sessionId,
      scopes: [],
    })
    if (operation.scopes.length === 0) return
    const headers = { Authorization: `Bearer ${token}` }

    const response = await send(urlOf(operation), { method: operation.method, headers })

    expect(response.status).toBe(403)
    expect(response.problem().code).toBe('insufficient-scope')
  })
})

describe.each(named(operations))('$operationId', ({ operation }) => {
  test('refuses an unknown query parameter and names it', async () => {
    const request = operation.hasBody ? asJson(text(exampleBody(operation))) : {}

    const response = await sendAsAlice(operation, request, '?nonsense=1')

    expect(response.status).toBe(400)

    const place = { in: 'query', pointer: 'nonsense', code: 'unknown' }
    expect(response.problem().errors).toEqual([expect.objectContaining(place)])
  })

  test('refuses unknown query parameters in unusual spellings', async () => {
    const names = [...operation.queries.keys()]
    const request = operation.hasBody ? asJson(text(exampleBody(operation))) : {}
    for (const [query, pointer] of [...UNKNOWN_QUERIES, ...names.flatMap(disguised)]) {
      const response = await sendAsAlice(operation, request, `?${query}`)
      expect([query, response.status]).toEqual([query, 400])
      const place = { in: 'query', pointer, code: 'unknown' }
      expect(response.problem().errors).toContainEqual(expect.objectContaining(place))
    }
  })

  test('refuses a repeated query parameter, also in another spelling', async () => {
    for (const name of operation.queries.keys()) {
      const escaped = `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`
      for (const query of [`${name}=1&${name}=2`, `${name}=1&${escaped}=1`]) {
        const response = await sendAsAlice(operation, {}, `?${query}`)
        const place = { in: 'query', pointer: name, code: 'duplicate' }
        expect(response.problem().errors).toEqual([expect.objectContaining(place)])
      }
    }
  })

  test.each(['%00', '%ff', '%ed%a0%80', '%zz', '%'])('refuses %s in the query', async (escape) => {
    const response = await sendAsAlice(operation, {}, `?q=${escape}`)

    expect(response.status).toBe(400)
    expect(response.problem().code).toBe('invalid-request')
  })
})

describe.each(withIds)('$operationId', ({ operation }) => {
  test.each(['1', 'null', '..%2f', randomUUID().slice(1), `${randomUUID()}%20`, '%F0%9F%92%A9'])(
    'refuses the id %s, which is not a UUID',
    async (id) => {
      const address = server.url + fillPath(operation, () => id)
      const headers = { ...alice.credentials, ...JSON_TYPE }
      const body = operation.hasBody ? JSON.stringify(exampleBody(operation)) : ''

      const response = await send(address, { method: operation.method, headers, body })

      expect(response.status).toBe(400)

      const place = { in: 'path', pointer: parametersOf(operation)[0] }
      expect(response.problem().errors?.[0]).toMatchObject(place)
    },
  )

  test.each(['%00', '%ff', '%zz', '%'])('refuses %s in the path', async (id) => {
    const address = server.url + fillPath(operation, () => id)

    const response = await send(address, { method: operation.method, headers: alice.credentials })

    expect(response.status).toBe(400)
    expect(response.problem().code).toBe('invalid-request')

    // A path that cannot be decoded belongs to no operation, so it counts against the anonymous limit.
    const isCounted = operation.rateLimit.length > 0 || id !== '%00'
    expect('ratelimit' in response.headers).toBe(isCounted)
  })
})

describe.each(withResponseBody)('$operationId', ({ operation }) => {
  test.each([
    'text/html',
    'application/json;q=0',
    '*/*;q=0',
    'text/*;q=0, application/*;q=0, */*;q=0.0',
  ])('refuses Accept: %s with 406', async (accept) => {
    const response = await sendAsAlice(operation, { headers: { Accept: accept } })

    expect(response.status).toBe(406)
    expect(response.problem().code).toBe('not-acceptable')
  })

  test('supports the Accept header of every known client library', async () => {
    for (const accept of Object.values(PUBLIC_ACCEPT)) {
      // The query is checked after `Accept`, and refused.
      const response = await sendAsAlice(operation, { headers: { Accept: accept } }, '?nonsense=1')
      expect([accept, response.status]).toEqual([accept, 400])
    }
  })
})
