import { describe, expect, test } from 'vitest'
import { exampleBody, operations } from '../support/contract/operations.ts'
import { sendBytes } from '../support/wire/wire.ts'
import { badBodies, LONGEST_BODY } from './bad-bodies.cases.ts'
import { JSON_TYPE, alice, sendAsAlice, named, server } from './bad-input.given.ts'

const withBody = named(operations.filter(({ hasBody }) => hasBody))

describe.each(withBody)('$operationId', ({ operation }) => {
  test.each(badBodies)('refuses $what with $status $code', async ({ status, code, requestOf }) => {
    const response = await sendAsAlice(operation, requestOf(exampleBody(operation)))

    expect([response.status, response.problem().code]).toEqual([status, code])
    expect(response.headers).toHaveProperty('ratelimit')
  })
})

describe('a refused body', () => {
  test('is not echoed in the response', async () => {
    const body = { email: 'ada@example.com', password: 'my dearest secret' }
    const broken = JSON.stringify(body).slice(0, -1)
    const login = operations.find(({ operationId }) => operationId === 'logIn')!

    const response = await sendAsAlice(login, { headers: JSON_TYPE, body: broken })

    expect(response.text).not.toContain('dearest')
  })

  test.each([LONGEST_BODY + 1, 20_000_000])(
    'gets 413 while the client is still sending its %d bytes',
    async (length) => {
      const create = operations.find(({ operationId }) => operationId === 'createConversation')!
      const body = 'x'.repeat(length)

      const announced = await sendAsAlice(create, { headers: JSON_TYPE, body })

      expect(announced.status).toBe(413)

      const chunked = await sendAsAlice(create, { headers: JSON_TYPE, body, chunked: true })
      expect(chunked.status).toBe(413)
    },
  )
})

describe('a query with thousands of parameters', () => {
  test('is refused with the first fifty unknown ones', async () => {
    const list = operations.find(({ operationId }) => operationId === 'listConversations')!
    const query = Array.from({ length: 2_500 }, (_, index) => `p${index}`).join('&')

    const response = await sendAsAlice(list, {}, `?${query}`)

    expect(response.problem().errors).toHaveLength(50)
  })

  test('is accepted where all of them are empty', async () => {
    const list = operations.find(({ operationId }) => operationId === 'listConversations')!
    for (const query of ['', '&', '&'.repeat(1_500), `${'&'.repeat(1_500)}limit=1&`]) {
      expect((await sendAsAlice(list, {}, `?${query}`)).status).toBe(200)
    }

    const last = await sendAsAlice(list, {}, `?${'&'.repeat(1_500)}limit=101`)

    expect(last.problem().errors).toEqual([expect.objectContaining({ pointer: 'limit' })])
  })
})

describe('a body with two Content-Type headers', () => {
  test.each([
    ['application/json', 'text/plain'],
    ['text/plain', 'application/json'],
  ])('is refused: %s, %s', async (first, second) => {
    const credentials = `Authorization: ${alice.credentials['Authorization']!}`
    const types = `Content-Type: ${first}\r\ncontent-type: ${second}`
    const head = `POST /api/v1/conversations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${credentials}`
    const bytes = `${head}\r\n${types}\r\nContent-Length: 2\r\n\r\n{}`

    expect((await sendBytes(server.url, bytes)).problem().code).toBe('unsupported-media-type')
  })
})

describe('the body of an operation that takes none', () => {
  test('is ignored, with any media type', async () => {
    const list = operations.find(({ operationId }) => operationId === 'listConversations')!
    const request = { headers: { 'Content-Type': 'text/plain; x=1' }, body: 'nonsense' }

    expect((await sendAsAlice(list, request)).status).toBe(200)
  })
})
