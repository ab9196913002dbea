import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { resolve } from '../../src/contract/document.ts'
import type { OperationId } from '../../src/contract/types.ts'
import type { Client } from '../support/client.ts'
import {
  contract,
  exampleRequest,
  operationIds,
  operationOf,
} from '../support/contract/contract.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createServiceAccount } from '../support/resources.ts'
import { send } from '../support/wire/wire.ts'

/* Titles and names are single lines in every request. The cases are derived from the contract. */

type Schema = { $ref?: string; pattern?: string; format?: string; properties?: object }

/** Returns the operations and the properties of their bodies whose schema matches. */
function propertiesWith(matches: (schema: Schema) => boolean): [OperationId, string][] {
  return operationIds.flatMap((operationId) => {
    const { requestBody } = operationOf(operationId) as {
      requestBody?: { content: { 'application/json': { schema: Schema } } }
    }
    const body =
      requestBody && resolve(contract.document, requestBody.content['application/json'].schema)
    return Object.entries(body?.properties ?? {})
      .filter(([, value]) => matches(resolve(contract.document, value as Schema)))
      .map(([name]): [OperationId, string] => [operationId, name])
  })
}

const { schemas } = contract.document.components as unknown as { schemas: Record<string, Schema> }
const LINE = schemas['ConversationTitle']!.pattern!
const lineProperties = propertiesWith(({ pattern }) => pattern === LINE)

const REFUSED = [0x00, 0x1f, 0x7f, 0x9f, 0x2028, 0x202e, 0x2066, 0x2069]
const ALL_REFUSED = [
  ...[0x00, 0x07, 0x09, 0x0a, 0x0d, 0x1b, 0x1f, 0x7f, 0x80, 0x85, 0x9f],
  ...[0x2028, 0x2029, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069],
]
/** A right-to-left name with direction marks, and a joined emoji. */
const NAME = '\u200fשלום\u200e – 👩‍💻 한국어'

let testStore: TestStore
let server: TestServer
let admin: Client
/** An id for each path parameter. */
let path: Record<string, string>
beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore, env: { REGISTRATION: 'open' } })
  admin = await server.admin()
  const { serviceAccountId, apiKeyId } = await createServiceAccount(server, ['chat:write'])
  const conversation = await admin.expect(201, 'createConversation', { body: {} })
  const user = await server.createUser()
  path = {
    serviceAccountId,
    apiKeyId,
    conversationId: conversation.body.id,
    userId: (await user.expect(200, 'getProfile')).body.id,
  }
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

type AnyResponse = { status: number; body: Record<string, unknown> }

let emails = 0
async function call(operationId: OperationId, name: string, line: string): Promise<AnyResponse> {
  const { body } = exampleRequest(operationId) as unknown as AnyResponse
  // An email address belongs to one account.
  const email = 'email' in body ? { email: `${(emails += 1)}@example.com` } : {}
  const request = { path, body: { ...body, ...email, [name]: line } }
  return (await admin.call(operationId, request as never)) as unknown as AnyResponse
}

test('the contract has one pattern for all single lines', () => {
  expect(lineProperties.length).toBeGreaterThanOrEqual(9)
  for (const name of ['DisplayName', 'ApiKeyName']) expect(schemas[name]!.pattern).toBe(LINE)
})

describe.each(lineProperties)('%s with the property %s', (operationId, name) => {
  test.each(REFUSED)('refuses U+%d and points at the property', async (code) => {
    const character = String.fromCodePoint(code)
    for (const line of [`a${character}b`, `${character}a`, `a${character}`]) {
      const { status, body } = await call(operationId, name, line)
      expect(status).toBe(400)
      // U+0000 is refused anywhere in the body, before it belongs to a property.
      if (code === 0) continue
      const place = { in: 'body', pointer: `/${name}`, code: 'pattern' }
      expect(body['errors']).toEqual([expect.objectContaining(place)])
    }
  })

  test('refuses a line of white space', async () => {
    const { status, body } = await call(operationId, name, ' \u00a0\u3000\ufeff')

    expect([status, body['errors']]).toMatchObject([400, [{ in: 'body', pointer: `/${name}` }]])
  })

  test('trims white space and keeps everything else', async () => {
    const { status, body } = await call(operationId, name, ` \u3000${NAME}\u00a0\ufeff `)

    expect(status).toBeLessThan(300)
    expect(body[name]).toBe(NAME)
  })
})

test.each(ALL_REFUSED)('the pattern of a single line refuses U+%d', (code) => {
  expect(new RegExp(LINE, 'u').test(`a${String.fromCodePoint(code)}b`)).toBe(false)
})

describe('a line with control characters that an older version has stored', () => {
  const OLD = 'red \u001b[31m\u202e\u0007\nname'

  test('is still shown, found and exported, and its resource can be changed', async () => {
    const { prisma } = testStore.database
    const { conversationId, userId, serviceAccountId } = path
    const own = { where: { id: conversationId! } }
    await prisma.conversation.update({ ...own, data: { title: OLD } })
    const accounts = { where: { id: { in: [userId!, serviceAccountId!] } } }
    await prisma.account.updateMany({ ...accounts, data: { displayName: OLD } })
    await prisma.apiKey.updateMany({ where: { accountId: serviceAccountId! }, data: { name: OLD } })

    const at = { path: { conversationId: conversationId! } }

    expect((await admin.expect(200, 'getConversation', at)).body.title).toBe(OLD)
    const found = await admin.expect(200, 'listConversations', { query: { q: '\u001b[31m' } })
    expect(found.body.data.map(({ id }) => id)).toEqual([conversationId])
    const pinned = await admin.expect(200, 'changeConversation', { ...at, body: { pinned: true } })
    expect(pinned.body.title).toBe(OLD)
    await admin.expect(200, 'exportAccount')
    const user = await admin.expect(200, 'getUser', { path: { userId: userId! } })
    expect(user.body.displayName).toBe(OLD)
    const account = { path: { serviceAccountId: serviceAccountId! } }
    expect((await admin.expect(200, 'getServiceAccount', account)).body.name).toBe(OLD)
    const keys = await admin.expect(200, 'listApiKeys', account)
    expect(keys.body.data.map(({ name }) => name)).toContain(OLD)
  })
})

describe('a line that the server derives from other text', () => {
  const line = new RegExp(LINE, 'u')

  test.each(['\u001b[31m red\u202e\u2028line', '\u0001', '\u202e'])(
    'is a single line as the title of the message %j',
    async (message) => {
      const { body } = await admin.expect(200, 'sendMessage', { body: { message } })
      const at = { path: { conversationId: body.conversationId } }

      const { title, messages } = (await admin.expect(200, 'getConversation', at)).body

      expect(title).toMatch(line)
      expect(messages[0]!.content).toBe(message)
    },
  )

  test('is a single line as the user agent of a session', async () => {
    const { email, password } = admin.identity
    const body = Buffer.from(JSON.stringify({ email, password }))
    // Two bytes: a line end and a control character of Unicode.
    const headers = { 'Content-Type': 'application/json', 'User-Agent': 'App\t\u0085\u009b31m/1.0' }

    const { status } = await send(admin.urlOf('logIn'), { method: 'POST', headers, body })

    expect(status).toBe(200)

    const { data } = (await admin.expect(200, 'listSessions')).body
    expect(data.map(({ userAgent }) => userAgent)).toContain('App   31m/1.0')
  })
})
