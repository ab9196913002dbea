import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { exampleBody, fillPath, operations, parametersOf } from '../support/contract/operations.ts'
import { PUBLIC_ACCEPT } from '../support/contract/public-accept.ts'
import { send } from '../support/wire/wire.ts'
import {
  JSON_TYPE,
  UNKNOWN,
  alice,
  asAlice,
  asJson,
  disguised,
  named,
  server,
  somewhere,
  text,
} from './bad-input.given.ts'

const secured = named(operations.filter(({ auth }) => auth === 'required' || auth === 'session'))

const withIds = named(operations.filter((one) => parametersOf(one).length > 0))

const withAnswer = named(
  operations.filter(({ replies }) => [...replies.values()].some((type) => type !== undefined)),
)

describe.each(secured)('$operationId', ({ operation }) => {
  test('asks for a credential before it looks at anything else', async () => {
    const odd = { method: operation.method, headers: JSON_TYPE, body: '{' }

    const answer = await send(somewhere(operation, '?nonsense=%00'), odd)

    expect(answer.status).toBe(401)
    expect(answer.problem().code).toBe('unauthenticated')
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="parley"')
  })

  test.each([
    ['Basic YWRhOmFkYQ=='],
    ['Bearer'],
    ['Bearer a b'],
    ['Bearer junk'],
    ['Basic bearer junk'],
  ])('refuses the credential %s as invalid', async (authorization) => {
    const headers = { Authorization: authorization }

    const answer = await send(somewhere(operation), { method: operation.method, headers })

    expect(answer.status).toBe(401)
    expect(answer.problem().code).toBe('token-invalid')
    expect(answer.headers['www-authenticate']).toMatch(
      /^Bearer realm="parley", error="invalid_token"/,
    )
  })

  test('refuses a token without the scopes that it needs', async () => {
    const { sessionId } = alice.identity
    const profile = await alice.expect(200, 'getProfile')
    const { token } = await server.parley.deps.accessTokens.issue({
      subject: profile.body.id,
      sessionId,
      scopes: [],
    })
    if (operation.scopes.length === 0) return
    const headers = { Authorization: `Bearer ${token}` }

    const answer = await send(somewhere(operation), { method: operation.method, headers })

    expect(answer.status).toBe(403)
    expect(answer.problem().code).toBe('insufficient-scope')
  })
})

describe.each(named(operations))('$operationId', ({ operation }) => {
  test('refuses an unknown query parameter and names it', async () => {
    const body = operation.hasBody ? JSON.stringify(exampleBody(operation)) : undefined
    const odd = body === undefined ? {} : { headers: JSON_TYPE, body }
    const answer = await asAlice(operation, odd, '?nonsense=1')
    expect(answer.status).toBe(400)

    const place = { in: 'query', pointer: 'nonsense', code: 'unknown' }
    expect(answer.problem().errors).toEqual([expect.objectContaining(place)])
  })

  test('refuses every parameter that it does not name, however it is written', async () => {
    const names = [...operation.queries.keys()]
    const odd = operation.hasBody ? asJson(text(exampleBody(operation))) : {}
    for (const [query, pointer] of [...UNKNOWN, ...names.flatMap(disguised)]) {
      const answer = await asAlice(operation, odd, `?${query}`)
      expect([query, answer.status]).toEqual([query, 400])
      const place = { in: 'query', pointer, code: 'unknown' }
      expect(answer.problem().errors).toContainEqual(expect.objectContaining(place))
    }
  })

  test('refuses a parameter that is given twice, in two spellings too', async () => {
    for (const name of operation.queries.keys()) {
      const escaped = `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`
      for (const query of [`${name}=1&${name}=2`, `${name}=1&${escaped}=1`]) {
        const answer = await asAlice(operation, {}, `?${query}`)
        const place = { in: 'query', pointer: name, code: 'duplicate' }
        expect(answer.problem().errors).toEqual([expect.objectContaining(place)])
      }
    }
  })

  test.each(['%00', '%ff', '%ed%a0%80', '%zz', '%'])('refuses %s in the query', async (escape) => {
    const answer = await asAlice(operation, {}, `?q=${escape}`)

    expect(answer.status).toBe(400)
    expect(answer.problem().code).toBe('invalid-request')
  })
})

describe.each(withIds)('$operationId', ({ operation }) => {
  test.each(['1', 'null', '..%2f', randomUUID().slice(1), `${randomUUID()}%20`, '%F0%9F%92%A9'])(
    'refuses %s, which is no UUID',
    async (id) => {
      const address = server.url + fillPath(operation, () => id)
      const headers = { ...alice.credentials, ...JSON_TYPE }
      const body = operation.hasBody ? JSON.stringify(exampleBody(operation)) : ''
      const answer = await send(address, { method: operation.method, headers, body })
      expect(answer.status).toBe(400)

      const place = { in: 'path', pointer: parametersOf(operation)[0] }
      expect(answer.problem().errors?.[0]).toMatchObject(place)
    },
  )

  test.each(['%00', '%ff', '%zz', '%'])('refuses %s in the path', async (id) => {
    const address = server.url + fillPath(operation, () => id)
    const answer = await send(address, { method: operation.method, headers: alice.credentials })
    expect(answer.status).toBe(400)
    expect(answer.problem().code).toBe('invalid-request')

    // A path that cannot be decoded belongs to no operation, so it is not free of charge.
    const isCounted = operation.rateLimit.length > 0 || id !== '%00'
    expect('ratelimit' in answer.headers).toBe(isCounted)
  })
})

describe.each(withAnswer)('$operationId', ({ operation }) => {
  test.each([
    'text/html',
    'application/json;q=0',
    '*/*;q=0',
    'text/*;q=0, application/*;q=0, */*;q=0.0',
  ])('refuses a caller who accepts neither what it answers nor JSON: %s', async (accept) => {
    const answer = await asAlice(operation, { headers: { Accept: accept } })

    expect(answer.status).toBe(406)
    expect(answer.problem().code).toBe('not-acceptable')
  })

  test('takes the Accept of every public client', async () => {
    for (const accept of Object.values(PUBLIC_ACCEPT)) {
      // What comes after `Accept` refuses the query.
      const answer = await asAlice(operation, { headers: { Accept: accept } }, '?nonsense=1')
      expect([accept, answer.status]).toEqual([accept, 400])
    }
  })
})
