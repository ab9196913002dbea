import { describe, expect, test } from 'vitest'
import { exampleBody, operations } from '../support/contract/operations.ts'
import { sendBytes } from '../support/wire/wire.ts'
import {
  JSON_TYPE,
  LONGEST_BODY,
  alice,
  asAlice,
  badBodies,
  named,
  server,
} from './bad-input.given.ts'

const withBody = named(operations.filter(({ hasBody }) => hasBody))

describe.each(withBody)('$operationId', ({ operation }) => {
  test.each(badBodies)('refuses $what with $status $code', async ({ status, code, odd }) => {
    const answer = await asAlice(operation, odd(exampleBody(operation)))

    expect([answer.status, answer.problem().code]).toEqual([status, code])
    expect(answer.headers).toHaveProperty('ratelimit')
  })
})

describe('a body that is refused', () => {
  test('leaves nothing in the answer of what it held', async () => {
    const body = { email: 'ada@example.com', password: 'my dearest secret' }
    const broken = JSON.stringify(body).slice(0, -1)
    const login = operations.find(({ operationId }) => operationId === 'logIn')!

    const answer = await asAlice(login, { headers: JSON_TYPE, body: broken })

    expect(answer.text).not.toContain('dearest')
  })

  test.each([LONGEST_BODY + 1, 20_000_000])(
    'is answered although %d bytes of it are on their way',
    async (length) => {
      const create = operations.find(({ operationId }) => operationId === 'createConversation')!
      const body = 'x'.repeat(length)
      const announced = await asAlice(create, { headers: JSON_TYPE, body })
      expect(announced.status).toBe(413)

      const chunked = await asAlice(create, { headers: JSON_TYPE, body, chunked: true })
      expect(chunked.status).toBe(413)
    },
  )
})

describe('a query of thousands of unknown parameters', () => {
  test('is refused with the first fifty of them', async () => {
    const list = operations.find(({ operationId }) => operationId === 'listConversations')!
    const query = Array.from({ length: 2_500 }, (_, index) => `p${index}`).join('&')

    const answer = await asAlice(list, {}, `?${query}`)

    expect(answer.problem().errors).toHaveLength(50)
  })

  test('of nothing at all holds nothing that is unknown', async () => {
    const list = operations.find(({ operationId }) => operationId === 'listConversations')!
    for (const query of ['', '&', '&'.repeat(1_500), `${'&'.repeat(1_500)}limit=1&`]) {
      expect((await asAlice(list, {}, `?${query}`)).status).toBe(200)
    }

    const last = await asAlice(list, {}, `?${'&'.repeat(1_500)}limit=101`)
    expect(last.problem().errors).toEqual([expect.objectContaining({ pointer: 'limit' })])
  })
})

describe('a body whose type is said twice', () => {
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

describe('a body where none belongs', () => {
  test('is ignored, whatever it claims to be', async () => {
    const list = operations.find(({ operationId }) => operationId === 'listConversations')!
    const odd = { headers: { 'Content-Type': 'text/plain; x=1' }, body: 'nonsense' }

    expect((await asAlice(list, odd)).status).toBe(200)
  })
})
