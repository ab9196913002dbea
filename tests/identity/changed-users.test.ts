import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { DAY_MS, HOUR_MS } from '../support/clock/jumping-clock.ts'
import { databaseDump } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createUserResources } from '../support/resources.ts'
import {
  USER_SCOPES,
  admin,
  clock,
  idOf,
  logIn,
  made,
  newcomer,
  server,
  setAdmin,
  testStore,
} from './administration.given.ts'

describe('a change of a user', () => {
  test('of the role takes effect at once on tokens that are out, in both directions', async () => {
    const { client, path } = await made(server, admin)
    await client.refused('insufficient-scope', 'listUsers')
    await admin.expect(200, 'changeUser', { path, body: { role: 'admin' } })
    await client.expect(200, 'listUsers')
    const { body: profile } = await client.expect(200, 'getProfile')
    expect(profile.role).toBe('admin')
    expect(profile.scopes).toContain('admin:users')

    await admin.expect(200, 'changeUser', { path, body: { role: 'user' } })
    await client.refused('insufficient-scope', 'listUsers')
    expect((await client.expect(200, 'getProfile')).body.scopes).toEqual(USER_SCOPES)
  })

  test('that disables refuses tokens, refreshes and logins at once, until it is taken back', async () => {
    const { client, path, email, password } = await made(server, admin)
    const { refreshToken } = client.identity
    await admin.expect(200, 'changeUser', { path, body: { disabled: true } })
    const { status } = await client.refused('account-disabled', 'getProfile')
    expect(status).toBe(403)

    const body = { email, password }
    await server.anonymous.refused('account-disabled', 'refreshTokens', { body: { refreshToken } })
    await server.anonymous.refused('account-disabled', 'logIn', { body })
    const wrong = { email, password: 'not my password' }
    await server.anonymous.refused('invalid-credentials', 'logIn', { body: wrong })
    await admin.expect(200, 'changeUser', { path, body: { disabled: false } })
    await client.expect(200, 'getProfile')
    await logIn(server, body)
  })

  test('that disables costs no session: whoever tried to refresh goes on when it is taken back', async () => {
    const { client, path } = await made(server, admin)
    const body = { refreshToken: client.identity.refreshToken }
    await admin.expect(200, 'changeUser', { path, body: { disabled: true } })
    await server.anonymous.refused('account-disabled', 'refreshTokens', { body })
    await admin.expect(200, 'changeUser', { path, body: { disabled: false } })
    // Later than a lost answer would be repeated.
    clock.jump(60_000)
    await server.anonymous.expect(200, 'refreshTokens', { body })
  })

  test('replaces the limits as a whole and leaves the rest as it is', async () => {
    const { path } = await made(server, admin)
    const limitsAfter = async (limits: object) =>
      (await admin.expect(200, 'changeUser', { path, body: { limits } })).body.limits
    expect(await limitsAfter({ hourly: 7, chatPerMinute: 2 })).toEqual({
      hourly: 7,
      chatPerMinute: 2,
    })

    const named = await admin.expect(200, 'changeUser', { path, body: { displayName: 'Ada' } })
    expect(named.body.limits).toEqual({ hourly: 7, chatPerMinute: 2 })
    expect(await limitsAfter({ hourly: 7 })).toEqual({ hourly: 7 })
    expect(await limitsAfter({})).toEqual({})
  })

  test('is found under an id in capitals too, and takes effect', async () => {
    const { client, path } = await made(server, admin)
    const capitals = { userId: path.userId.toUpperCase() }
    await admin.expect(200, 'changeUser', { path: capitals, body: { disabled: true } })
    await client.refused('account-disabled', 'getProfile')
  })
})

describe('personal limits', () => {
  let small: TestServer
  let smallAdmin: Client
  beforeAll(async () => {
    const env = { RATE_LIMIT_USER: '50/3600', RATE_LIMIT_CHAT: '20/60' }
    small = await startServer({ env })
    smallAdmin = await small.admin()
  })
  afterAll(() => small.close())

  const limitsIn = ({ headers }: { headers: Record<string, string> }) => [
    headers['ratelimit-policy'],
    headers['ratelimit']!.replaceAll(/;t=\d+/g, ''),
  ]

  test('count from the next call on, keep what was counted, and can be taken back', async () => {
    const user = await small.createUser()
    const path = { userId: await idOf(user) }
    const ask = async () => limitsIn(await user.expect(200, 'getProfile'))
    const change = (limits: object) =>
      smallAdmin.expect(200, 'changeUser', { path, body: { limits } })
    expect(await ask()).toEqual(['"user";q=50;w=3600', '"user";r=48'])

    await change({ hourly: 5 })
    expect(await ask()).toEqual(['"user";q=5;w=3600', '"user";r=2'])

    await change({})
    expect(await ask()).toEqual(['"user";q=50;w=3600', '"user";r=46'])

    await change({ hourly: 4 })
    const refusal = await user.refused('quota-exceeded', 'getProfile')
    expect(refusal.body.violatedPolicies).toEqual(['user'])
    expect(limitsIn(refusal)).toEqual(['"user";q=4;w=3600', '"user";r=0'])

    await change({ hourly: 100 })
    expect(await ask()).toEqual(['"user";q=100;w=3600', '"user";r=95'])
  })

  test('of chat bound what is said, and show in the usage', async () => {
    const user = await small.createUser()
    const path = { userId: await idOf(user) }
    const chat = () => user.call('sendMessage', { body: { message: 'Hi' } })
    expect((await chat()).status).toBe(200)

    const body = { limits: { chatPerMinute: 2 } }
    await smallAdmin.expect(200, 'changeUser', { path, body })
    const second = await chat()
    expect(limitsIn(second)[0]).toBe('"user";q=50;w=3600, "chat";q=2;w=60')
    expect((await chat()).status).toBe(429)

    const { limits } = (await user.expect(200, 'getUsage')).body
    expect(limits.find(({ policy }) => policy === 'chat')).toMatchObject({ quota: 2, remaining: 0 })
  })

  test('of one user are not those of another', async () => {
    const [alice, bob] = [await small.createUser(), await small.createUser()]
    const path = { userId: await idOf(alice) }

    await smallAdmin.expect(200, 'changeUser', { path, body: { limits: { hourly: 3 } } })

    expect(limitsIn(await bob.expect(200, 'getProfile'))[0]).toBe('"user";q=50;w=3600')
  })
})

describe('DELETE /admin/users/{userId}', () => {
  test('leaves nothing of the user but usage, and frees the email', async () => {
    const { client, path, email, password } = await made(server, admin)
    await createUserResources(client)
    await clock.advance(1)
    await admin.expect(204, 'deleteUser', { path })
    await client.refused('token-invalid', 'getProfile')
    const body = { refreshToken: client.identity.refreshToken }
    await server.anonymous.refused('token-invalid', 'refreshTokens', { body })
    await server.anonymous.refused('invalid-credentials', 'logIn', { body: { email, password } })
    await admin.refused('not-found', 'getUser', { path })
    await admin.refused('not-found', 'deleteUser', { path })

    const { prisma } = testStore.database
    const { userId: accountId } = path
    const left = await Promise.all([
      prisma.session.count({ where: { accountId } }),
      prisma.conversation.count({ where: { ownerId: accountId } }),
      prisma.generation.count({ where: { ownerId: accountId } }),
      prisma.feedback.count({ where: { accountId } }),
      prisma.message.count({ where: { conversation: { ownerId: accountId } } }),
    ])
    expect(left).toEqual([0, 0, 0, 0, 0])
    const everything = await databaseDump(testStore.database)
    expect(everything).not.toContain(email)
    expect(everything).not.toContain('A secret.')
    await admin.expect(201, 'createUser', { body: { ...newcomer(), email } })
  })

  test('leaves usage of nobody once no token can name the account any more', async () => {
    const { client, path } = await made(server, admin)
    const { generationId } = await createUserResources(client)
    await admin.expect(204, 'deleteUser', { path })
    const { prisma } = testStore.database
    clock.jump(DAY_MS + HOUR_MS)
    await server.parley.services.closure.sweepAll()
    setAdmin(await server.admin())
    expect(await prisma.account.count({ where: { id: path.userId } })).toBe(0)

    const where = { generationId: generationId! }
    const usage = await prisma.usageRecord.findUniqueOrThrow({ where })
    expect(usage).toMatchObject({ accountId: null, answered: 1 })
  })

  test('twice at the same moment: one is done, the other finds nobody', async () => {
    const { path } = await made(server, admin)

    const answers = await Promise.all([1, 2].map(() => admin.call('deleteUser', { path })))

    expect(answers.map(({ status }) => status).sort()).toEqual([204, 404])
  })
})
