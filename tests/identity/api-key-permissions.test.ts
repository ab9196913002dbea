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
  keysOf,
  newKey,
  newRobot,
  pathOf,
  rotate,
  server,
  testStore,
  withKey,
} from './api-keys.given.ts'

const USER_SCOPES: Scope[] = [
  'chat:write',
  'conversations:read',
  'conversations:write',
  'feedback:read',
  'feedback:write',
  'profile:read',
  'profile:write',
  'usage:read',
]

const ALL_SCOPES: Scope[] = [
  'admin:audit',
  'admin:feedback',
  'admin:service-accounts',
  'admin:usage',
  'admin:users',
  ...USER_SCOPES,
]

describe('what administrators decide', () => {
  const known = async (robot: Client) => {
    await robot.expect(200, 'getProfile')
    await clock.advance(1)
    await robot.expect(200, 'getProfile')
  }

  test('a revoked key is refused at once, though it was known, and stays in the list', async () => {
    const robot = await newRobot()
    await known(robot)
    const path = pathOf(robot, robot.apiKeyId.toUpperCase())
    const admin = await server.admin()
    await admin.expect(204, 'revokeApiKey', { path })
    await robot.refused('token-invalid', 'getProfile')

    await admin.refused('not-found', 'revokeApiKey', { path })

    expect((await rotate(robot, robot.apiKeyId, 0)).status).toBe(404)
    expect(await keysOf(robot)).toMatchObject([{ id: robot.apiKeyId, revokedAt: inSeconds(0) }])
  })

  test('the keys of a service account are walked page by page, the newest first', async () => {
    const robot = await newRobot()
    const ids = [robot.apiKeyId]
    for (let i = 0; i < 4; i += 1) ids.unshift((await newKey(robot)).id)
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

  test('a key of another service account is not found under this one', async () => {
    const [robot, other] = [await newRobot(), await newRobot()]
    const path = pathOf(robot, other.apiKeyId)
    await (await server.admin()).refused('not-found', 'revokeApiKey', { path })
    expect((await rotate(robot, other.apiKeyId, 0)).status).toBe(404)

    await other.expect(200, 'getProfile')
  })

  test('disabling and enabling a service account takes effect at once on all its keys', async () => {
    const robot = await newRobot()
    const spare = withKey((await newKey(robot)).secret)
    await known(robot)
    const path = { serviceAccountId: robot.serviceAccountId }
    const admin = await server.admin()
    await admin.expect(200, 'changeServiceAccount', { path, body: { disabled: true } })
    for (const key of [robot, spare]) await key.refused('account-disabled', 'getProfile')
    await admin.expect(200, 'changeServiceAccount', { path, body: { disabled: false } })
    for (const key of [robot, spare]) await key.expect(200, 'getProfile')
  })

  test('changed scopes take effect at once, those that are new and those that are gone', async () => {
    const robot = await newRobot(['profile:read', 'usage:read'])
    await known(robot)
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

  test('deleting a service account takes its keys and what it owned', async () => {
    const robot = await newRobot(['profile:read', 'conversations:read', 'conversations:write'])
    await robot.expect(201, 'createConversation', { body: {} })
    await known(robot)
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

describe('what a key opens', () => {
  const ofPeople = operations.filter(({ auth }) => auth === 'session')
  const ofAll = operations.filter(({ auth }) => auth !== 'session' && auth !== 'public')

  test('is every operation but those of a person; both kinds are tried here', () => {
    expect(ofPeople.map(({ operationId }) => operationId)).toContain('changePassword')
    expect(ofAll.map(({ operationId }) => operationId)).toContain('streamMessage')
  })

  test.each(ofPeople)('is not $operationId, whatever its scopes', async (operation) => {
    const robot = await newRobot(ALL_SCOPES)
    const operationId = operation.operationId as OperationId

    const { status, body } = await robot.refused('insufficient-scope', operationId, {
      ...exampleRequest(operationId),
    })

    expect([status, body.detail]).toEqual([403, 'API keys cannot call this operation.'])
  })

  test.each(ofAll)('is $operationId, with its scopes', async (operation) => {
    const robot = await newRobot(ALL_SCOPES)
    const operationId = operation.operationId as OperationId
    const url = robot.urlOf(operationId, exampleRequest(operationId))

    const { status } = await send(url, {
      method: operation.method.toUpperCase(),
      headers: { ...robot.credentials, 'Content-Type': 'application/json' },
      ...(operation.hasBody && { body: JSON.stringify(exampleBody(operation)) }),
    })

    expect([200, 201, 204, 404]).toContain(status)
  })

  test('is chat, streams, conversations, feedback, usage and an export of its own', async () => {
    const robot = await newRobot(USER_SCOPES)
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

  test('shows in its profile: a service, without an email, with its scopes', async () => {
    const robot = await newRobot(['profile:read', 'usage:read'])

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
