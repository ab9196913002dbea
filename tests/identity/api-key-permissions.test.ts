import { describe, expect, test } from 'vitest'
import type { Scope } from '../../generated/api.ts'
import type { OperationId } from '../../src/contract/types.ts'
import type { Client } from '../support/client.ts'
import { exampleRequest } from '../support/contract/contract.ts'
import { exampleBody, operations } from '../support/contract/operations.ts'
import { openStream, textOf } from '../support/wire/stream.ts'
import { send } from '../support/wire/wire.ts'
import {
  clock,
  inSeconds,
  listKeys,
  createKey,
  newServiceAccount,
  keyPath,
  tryToRotate,
  server,
  testStore,
  clientWithKey,
} from './api-keys.given.ts'
import { ALL_SCOPES, USER_SCOPES } from './scopes.ts'

describe('the API keys of a service account', () => {
  /** Uses the key often enough for the server to remember it. */
  const makeKnown = async (robot: Client) => {
    await robot.expect(200, 'getProfile')
    await clock.advance(1)
    await robot.expect(200, 'getProfile')
  }

  test('are refused immediately after they were revoked, and stay in the list', async () => {
    const robot = await newServiceAccount()
    await makeKnown(robot)
    const path = keyPath(robot, robot.apiKeyId.toUpperCase())
    const admin = await server.admin()

    await admin.expect(204, 'revokeApiKey', { path })

    await robot.refused('token-invalid', 'getProfile')
    await admin.refused('not-found', 'revokeApiKey', { path })
    expect((await tryToRotate(robot, robot.apiKeyId, 0)).status).toBe(404)
    expect(await listKeys(robot)).toMatchObject([{ id: robot.apiKeyId, revokedAt: inSeconds(0) }])
  })

  test('are listed by pages, the newest first', async () => {
    const robot = await newServiceAccount()
    const ids = [robot.apiKeyId]
    for (let i = 0; i < 4; i += 1) ids.unshift((await createKey(robot)).id)
    const [admin, path] = [await server.admin(), { serviceAccountId: robot.serviceAccountId }]

    const seen: string[] = []
    let cursor: string | undefined
    do {
      const query = { limit: 2, ...(cursor !== undefined && { cursor }) }
      const { body } = await admin.expect(200, 'listApiKeys', { path, query })
      seen.push(...body.data.map(({ id }) => id))
      cursor = body.nextCursor
    } while (cursor !== undefined)

    expect(seen).toEqual(ids)
  })

  test('are not found under another service account', async () => {
    const [robot, other] = [await newServiceAccount(), await newServiceAccount()]
    const path = keyPath(robot, other.apiKeyId)

    await (await server.admin()).refused('not-found', 'revokeApiKey', { path })
    expect((await tryToRotate(robot, other.apiKeyId, 0)).status).toBe(404)
    await other.expect(200, 'getProfile')
  })

  test('are all refused immediately while the account is disabled', async () => {
    const robot = await newServiceAccount()
    const spare = clientWithKey((await createKey(robot)).secret)
    await makeKnown(robot)
    const path = { serviceAccountId: robot.serviceAccountId }
    const admin = await server.admin()

    await admin.expect(200, 'changeServiceAccount', { path, body: { disabled: true } })
    for (const key of [robot, spare]) await key.refused('account-disabled', 'getProfile')

    await admin.expect(200, 'changeServiceAccount', { path, body: { disabled: false } })
    for (const key of [robot, spare]) await key.expect(200, 'getProfile')
  })

  test('gain and lose scopes immediately when those of the account change', async () => {
    const robot = await newServiceAccount(['profile:read', 'usage:read'])
    await makeKnown(robot)
    const path = { serviceAccountId: robot.serviceAccountId }
    const scopes: Scope[] = ['conversations:read', 'profile:read']
    const admin = await server.admin()

    await admin.expect(200, 'changeServiceAccount', { path, body: { scopes } })

    await robot.refused('insufficient-scope', 'getUsage')
    await robot.expect(200, 'listConversations')
    expect((await robot.expect(200, 'getProfile')).body.scopes).toEqual(scopes)

    await admin.expect(200, 'changeServiceAccount', { path, body: { scopes: [] } })

    await robot.refused('insufficient-scope', 'getProfile')
  })

  test('are deleted with the account, and so are its conversations', async () => {
    const robot = await newServiceAccount([
      'profile:read',
      'conversations:read',
      'conversations:write',
    ])
    await robot.expect(201, 'createConversation', { body: {} })
    await makeKnown(robot)
    const { serviceAccountId } = robot
    const admin = await server.admin()

    await admin.expect(204, 'deleteServiceAccount', { path: { serviceAccountId } })

    await robot.refused('token-invalid', 'getProfile')
    await admin.refused('not-found', 'getServiceAccount', { path: { serviceAccountId } })
    await admin.refused('not-found', 'listApiKeys', { path: { serviceAccountId } })
    const { prisma } = testStore.database
    expect(await prisma.apiKey.count({ where: { accountId: serviceAccountId } })).toBe(0)
    expect(await prisma.conversation.count({ where: { ownerId: serviceAccountId } })).toBe(0)
  })
})

describe('the operations that an API key can call', () => {
  const ofSessions = operations.filter(({ auth }) => auth === 'session')
  const ofAll = operations.filter(({ auth }) => auth !== 'session' && auth !== 'public')

  test('are tested below, and so are those that need a session', () => {
    expect(ofSessions.map(({ operationId }) => operationId)).toContain('changePassword')
    expect(ofAll.map(({ operationId }) => operationId)).toContain('streamMessage')
  })

  test.each(ofSessions)('exclude $operationId, even with every scope', async (operation) => {
    const robot = await newServiceAccount(ALL_SCOPES)
    const operationId = operation.operationId as OperationId

    const { status, body } = await robot.refused('insufficient-scope', operationId, {
      ...exampleRequest(operationId),
    })

    expect([status, body.detail]).toEqual([403, 'API keys cannot call this operation.'])
  })

  test.each(ofAll)('include $operationId, with every scope', async (operation) => {
    const robot = await newServiceAccount(ALL_SCOPES)
    const operationId = operation.operationId as OperationId
    const url = robot.urlOf(operationId, exampleRequest(operationId))

    const { status } = await send(url, {
      method: operation.method.toUpperCase(),
      headers: { ...robot.credentials, 'Content-Type': 'application/json' },
      ...(operation.hasBody && { body: JSON.stringify(exampleBody(operation)) }),
    })

    expect([200, 201, 204, 404]).toContain(status)
  })

  test('include chat, streams, conversations, feedback, usage and an export of its own', async () => {
    const robot = await newServiceAccount(USER_SCOPES)
    const { body: reply } = await robot.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    const { conversationId } = reply
    const stream = await openStream(robot, { message: 'Hello', conversationId })
    const events = await stream.rest()
    expect(events.at(-1)!.name).toBe('message.end')
    expect(textOf(events)).not.toBe('')

    const { body: conversation } = await robot.expect(200, 'getConversation', {
      path: { conversationId },
    })
    expect(conversation.messageCount).toBe(4)

    const messageId = reply.message.id
    await robot.expect(200, 'giveFeedback', { body: { messageId, rating: 'up' } })
    await clock.advance(1)
    expect((await robot.expect(200, 'getUsage')).body.totals.messages).toBe(2)

    const { text } = await send(robot.urlOf('exportAccount'), { headers: robot.credentials })
    const types = text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type)
    expect(types).toEqual([
      'profile',
      'conversation',
      'message',
      'message',
      'message',
      'message',
      'feedback',
      'usage',
      'usage',
      'audit-event',
      'end',
    ])

    await (
      await server.createUser()
    ).refused('not-found', 'getConversation', {
      path: { conversationId },
    })
  })
})

describe('GET /users/profile with an API key', () => {
  test('shows a service account with its scopes and without an email', async () => {
    const robot = await newServiceAccount(['profile:read', 'usage:read'])

    const { body } = await robot.expect(200, 'getProfile')

    expect(body).toMatchObject({
      id: robot.serviceAccountId,
      role: 'service',
      displayName: 'Robot',
      scopes: ['profile:read', 'usage:read'],
    })
    expect(body).not.toHaveProperty('email')
  })
})
