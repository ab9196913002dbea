import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Problem, Scope } from '../../generated/api.ts'
import { type Client, createClient } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { DAY_MS, HOUR_MS, JumpingClock } from '../support/clock/jumping-clock.ts'
import { everythingIn } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { newServiceAccount, createUserResources } from '../support/resources.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'

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

let testStore: TestStore
let clock: JumpingClock
let server: TestServer
let admin: Client
beforeAll(async () => {
  testStore = await openTestStore()
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock })
  admin = await server.admin()
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

type Role = 'user' | 'admin'
const newcomer = (role: Role = 'user', displayName = 'Grace') => ({
  email: `${randomUUID()}@example.com`,
  password: 'a horse nobody guesses',
  displayName,
  role,
})

async function logIn(at: TestServer, who: { email: string; password: string }): Promise<Client> {
  const { email, password } = who
  const { body } = await at.anybody.expect(200, 'logIn', { body: { email, password } })
  return createClient(at.url, { ...body, email, password })
}

/** Somebody whom an administrator has made, logged in. */
async function made(at: TestServer, by: Client, role: Role = 'user') {
  const body = newcomer(role)
  const { body: user } = await by.expect(201, 'createUser', { body })
  return { client: await logIn(at, body), path: { userId: user.id }, ...body }
}

const idOf = async (client: Client) => (await client.expect(200, 'getProfile')).body.id

describe('GET /admin/users', () => {
  const namesBy = async (query: object) => {
    const { body } = await admin.expect(200, 'listUsers', { query: { limit: 100, ...query } })
    return body.data.map(({ displayName }) => displayName)
  }

  test('walks 25 users, the newest first, without a gap or a double', async () => {
    const tag = randomUUID()
    const ids: string[] = []
    for (let i = 0; i < 25; i += 1) {
      const body = newcomer('user', `${tag} ${String(i)}`)
      ids.unshift((await admin.expect(201, 'createUser', { body })).body.id)
      if (i % 5 === 0) await clock.advance(1)
    }
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const query = { q: tag.toUpperCase(), limit: 4, ...(cursor !== undefined && { cursor }) }
      const { body } = await admin.expect(200, 'listUsers', { query })
      seen.push(...body.data.map(({ id }) => id))
      cursor = body.nextCursor
    } while (cursor !== undefined)
    expect(seen).toEqual(ids)
  })

  test('finds text as it is written, in names and emails, wildcards included', async () => {
    const tag = randomUUID().slice(0, 8)
    const names = ['100%', '1000', 'a_b', 'axb', 'c\\d', 'c\\\\d', 'cd'].map((n) => `${tag}${n}`)
    for (const name of names) {
      await admin.expect(201, 'createUser', { body: newcomer('user', name) })
    }
    const found = (q: string) => namesBy({ q: tag + q })
    expect(await found('100%')).toEqual([`${tag}100%`])
    expect(await found('A_B')).toEqual([`${tag}a_b`])
    expect(await found('c\\d')).toEqual([`${tag}c\\d`])
    expect(await found('%')).toEqual([])
    expect(await found('_')).toEqual([])
    expect(await namesBy({ q: 'ADMIN@example.com' })).toHaveLength(1)
  })

  test('takes role and disabled as filters, and shows no service account', async () => {
    const tag = randomUUID()
    const of = (role: Role, name: string) => newcomer(role, `${tag} ${name}`)
    for (const body of [of('user', 'u'), of('admin', 'a'), of('user', 'off')]) {
      const { body: user } = await admin.expect(201, 'createUser', { body })
      if (!body.displayName.endsWith('off')) continue
      const path = { userId: user.id }
      await admin.expect(200, 'changeUser', { path, body: { disabled: true } })
    }
    const body = { name: `${tag} robot`, scopes: [] }
    await admin.expect(201, 'createServiceAccount', { body })
    const found = async (query: object) =>
      (await namesBy({ q: tag, ...query })).map((name) => name.slice(tag.length + 1))
    expect(await found({})).toEqual(['off', 'a', 'u'])
    expect(await found({ role: 'user' })).toEqual(['off', 'u'])
    expect(await found({ role: 'admin' })).toEqual(['a'])
    expect(await found({ disabled: 'true' })).toEqual(['off'])
    expect(await found({ disabled: 'false', role: 'user' })).toEqual(['u'])
    const { data } = (await admin.expect(200, 'listServiceAccounts', { query: { q: tag } })).body
    expect(data.map(({ name }) => name)).toEqual([`${tag} robot`])
  })

  test('binds a cursor to its filters', async () => {
    await made(server, admin)
    const { nextCursor } = (await admin.expect(200, 'listUsers', { query: { limit: 1 } })).body
    const query = { limit: 1, cursor: nextCursor!, role: 'user' as const }
    await admin.refused('cursor-mismatch', 'listUsers', { query })
  })
})

describe('POST /admin/users', () => {
  test('makes somebody who can log in, and answers where and in which version', async () => {
    const body = newcomer()
    const { body: user, headers } = await admin.expect(201, 'createUser', { body })
    const { password: _password, ...shown } = body
    expect(user).toMatchObject({ ...shown, disabled: false, limits: {} })
    expect(JSON.stringify(user)).not.toContain(body.password)
    expect(headers['location']).toBe(`/api/v1/admin/users/${user.id}`)
    const read = await admin.expect(200, 'getUser', { path: { userId: user.id } })
    expect([read.body, read.headers['etag']]).toEqual([user, headers['etag']])
    expect(await idOf(await logIn(server, body))).toBe(user.id)
  })

  test('refuses an email that is taken, in any spelling', async () => {
    const { email } = await made(server, admin)
    for (const spelling of [email, email.toUpperCase(), ` ${email}\n`]) {
      const body = { ...newcomer(), email: spelling }
      await admin.refused('email-taken', 'createUser', { body })
    }
  })

  test.each(['short', 'password123'])('refuses the password %s', async (password) => {
    const body = { ...newcomer(), password }
    await admin.refused('weak-password', 'createUser', { body })
    expect((await admin.expect(200, 'listUsers', { query: { q: body.email } })).body.data).toEqual(
      [],
    )
  })

  test('of one email several times at once makes one user', async () => {
    const body = newcomer()
    const answers = await Promise.all([1, 2, 3, 4].map(() => admin.call('createUser', { body })))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409])
  })
})

describe('versions of a user', () => {
  test('are told by ETag: 304 for the one that is known', async () => {
    const { path } = await made(server, admin)
    const { headers } = await admin.expect(200, 'getUser', { path })
    const known = { 'If-None-Match': headers['etag']! }
    await admin.expect(304, 'getUser', { path, headers: known })
    await admin.expect(200, 'changeUser', { path, body: { displayName: ' Ada ' } })
    const now = await admin.expect(200, 'getUser', { path, headers: known })
    expect(now.body.displayName).toBe('Ada')
  })

  test('guard a change and a deletion: 412 with the version that it has now', async () => {
    const { path, client } = await made(server, admin)
    const stale = { 'If-Match': (await admin.expect(200, 'getUser', { path })).headers['etag']! }
    const body = { displayName: 'Ada' }
    const changed = await admin.expect(200, 'changeUser', { path, body, headers: stale })
    const { etag } = changed.headers
    const again = { path, body: { disabled: true }, headers: stale }
    expect((await admin.refused('precondition-failed', 'changeUser', again)).headers['etag']).toBe(
      etag,
    )
    const deletion = { path, headers: stale }
    expect(
      (await admin.refused('precondition-failed', 'deleteUser', deletion)).headers['etag'],
    ).toBe(etag)
    await client.expect(200, 'getProfile')
    await admin.expect(204, 'deleteUser', { path, headers: { 'If-Match': etag! } })
    await admin.refused('not-found', 'changeUser', { path, body, headers: { 'If-Match': etag! } })
  })
})

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
    await server.anybody.refused('account-disabled', 'refreshTokens', { body: { refreshToken } })
    await server.anybody.refused('account-disabled', 'logIn', { body })
    const wrong = { email, password: 'not my password' }
    await server.anybody.refused('invalid-credentials', 'logIn', { body: wrong })
    await admin.expect(200, 'changeUser', { path, body: { disabled: false } })
    await client.expect(200, 'getProfile')
    await logIn(server, body)
  })

  test('that disables costs no session: whoever tried to refresh goes on when it is taken back', async () => {
    const { client, path } = await made(server, admin)
    const body = { refreshToken: client.identity.refreshToken }
    await admin.expect(200, 'changeUser', { path, body: { disabled: true } })
    await server.anybody.refused('account-disabled', 'refreshTokens', { body })
    await admin.expect(200, 'changeUser', { path, body: { disabled: false } })
    // Later than a lost answer would be repeated.
    clock.jump(60_000)
    await server.anybody.expect(200, 'refreshTokens', { body })
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
    const user = await small.newUser()
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
    const user = await small.newUser()
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
    const [alice, bob] = [await small.newUser(), await small.newUser()]
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
    await server.anybody.refused('token-invalid', 'refreshTokens', { body })
    await server.anybody.refused('invalid-credentials', 'logIn', { body: { email, password } })
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
    const everything = await everythingIn(testStore.database)
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
    admin = await server.admin()
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

describe('nobody gives or takes in hand more than they hold', () => {
  test('who may administer users alone makes, changes and deletes no admin, and makes none', async () => {
    const clerk = await newServiceAccount(server, ['admin:users', ...USER_SCOPES])
    const boss = await made(server, admin, 'admin')
    const user = await made(server, admin)
    const refused = (operationId: 'changeUser' | 'deleteUser', path: object, body?: object) =>
      clerk.refused('insufficient-scope', operationId, { path, body } as never)
    await clerk.refused('insufficient-scope', 'createUser', { body: newcomer('admin') })
    await refused('changeUser', boss.path, { displayName: 'Nobody' })
    await refused('changeUser', boss.path, { role: 'user' })
    await refused('changeUser', boss.path, { disabled: true })
    await refused('changeUser', user.path, { role: 'admin' })
    await refused('deleteUser', boss.path)
    await boss.client.expect(200, 'listUsers')
    await clerk.expect(200, 'changeUser', { path: user.path, body: { displayName: 'Ada' } })
    await clerk.expect(204, 'deleteUser', { path: user.path })
    await clerk.expect(201, 'createUser', { body: newcomer('user') })
  })

  test('who lacks what every user may makes no user', async () => {
    const clerk = await newServiceAccount(server, ['admin:users'])
    const { body } = await clerk.refused('insufficient-scope', 'createUser', { body: newcomer() })
    expect(body.detail).toContain('chat:write')
  })

  test('who may administer service accounts alone grants no scope that it lacks', async () => {
    const clerk = await newServiceAccount(server, ['admin:service-accounts', 'profile:read'])
    const strong = await newServiceAccount(server, ['profile:read', 'usage:read'])
    const weak = await newServiceAccount(server, ['profile:read'])
    const path = { serviceAccountId: strong.serviceAccountId }
    const keyPath = { ...path, apiKeyId: strong.apiKeyId }
    const refusals: [Parameters<Client['refused']>[1], object][] = [
      ['createServiceAccount', { body: { name: 'Mine', scopes: ['usage:read'] } }],
      ['createApiKey', { path, body: { name: 'mine' } }],
      ['rotateApiKey', { path: keyPath, body: { overlapSeconds: 60 } }],
      ['revokeApiKey', { path: keyPath }],
      ['changeServiceAccount', { path, body: { name: 'Mine' } }],
      ['changeServiceAccount', { path, body: { scopes: [] } }],
      ['deleteServiceAccount', { path }],
      [
        'changeServiceAccount',
        {
          path: { serviceAccountId: weak.serviceAccountId },
          body: { scopes: ['profile:read', 'usage:read'] },
        },
      ],
      [
        'changeServiceAccount',
        { path: { serviceAccountId: clerk.serviceAccountId }, body: { scopes: ['admin:users'] } },
      ],
    ]
    const before = await everythingIn(testStore.database)
    for (const [operationId, request] of refusals) {
      await clerk.refused('insufficient-scope', operationId, request)
    }
    expect(await everythingIn(testStore.database)).toBe(before)
    const ofWeak = { serviceAccountId: weak.serviceAccountId }
    await clerk.expect(201, 'createApiKey', { path: ofWeak, body: { name: 'mine' } })
    await clerk.expect(204, 'deleteServiceAccount', { path: ofWeak })
  })
})

describe('the last administrator', () => {
  let lone: TestServer
  let loneStore: TestStore
  let watched: SpyStore
  let last: Client
  beforeAll(async () => {
    loneStore = await openTestStore()
    watched = spyOnStore(loneStore.store)
    const instead = { deps: { store: watched.store } }
    lone = await startServer({ testStore: loneStore, instead })
    last = await lone.admin()
  })
  afterAll(async () => {
    await lone.close()
    await loneStore.close()
  })

  const admins = () =>
    loneStore.database.prisma.account.findMany({
      where: { role: 'admin', disabledAt: null, closedAt: null },
      select: { id: true },
    })

  test('cannot be demoted, disabled or deleted, nor leave', async () => {
    const path = { userId: await idOf(last) }
    const off = await made(lone, last, 'admin')
    await last.expect(200, 'changeUser', { path: off.path, body: { disabled: true } })
    const before = await everythingIn(loneStore.database)
    const refusals = [
      await last.refused('invalid-request', 'changeUser', { path, body: { role: 'user' } }),
      await last.refused('invalid-request', 'changeUser', { path, body: { disabled: true } }),
      await last.refused('invalid-request', 'deleteUser', { path }),
      await last.refused('invalid-request', 'closeAccount'),
    ]
    for (const { status, body } of refusals) {
      expect(status).toBe(400)
      expect(body.errors).toMatchObject([{ code: 'last-admin' }])
    }
    expect(await everythingIn(loneStore.database)).toBe(before)
    await last.expect(200, 'changeUser', { path, body: { role: 'admin', displayName: 'Boss' } })
  })

  test('is left over, whatever two administrators do to each other at once', async () => {
    const acts = [
      (by: Client, userId: string) =>
        by.call('changeUser', { path: { userId }, body: { role: 'user' } }),
      (by: Client, userId: string) => by.call('deleteUser', { path: { userId } }),
      (by: Client, userId: string) =>
        by.call('changeUser', { path: { userId }, body: { disabled: true } }),
    ]
    for (let round = 0; round < 21; round += 1) {
      const act = acts[round % acts.length]!
      const [one, other] = [last, (await made(lone, last, 'admin')).client]
      const ids = [await idOf(one), await idOf(other)]
      const answers = await Promise.all([act(one, ids[1]!), act(other, ids[0]!)])
      const left = await admins()
      expect(left).toHaveLength(1)
      expect(answers.filter(({ status }) => status < 300)).toHaveLength(1)
      last = left[0]!.id === ids[0] ? one : other
      await last.expect(200, 'listUsers')
    }
  }, 60_000)

  test('is left over when two leave at once', async () => {
    const { client } = await made(lone, last, 'admin')
    const answers = await Promise.all([last.call('closeAccount'), client.call('closeAccount')])
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400])
    last = answers[0].status === 400 ? last : client
    expect(await admins()).toEqual([{ id: await idOf(last) }])
  })

  test('may be somebody who became one while leaving, and then stays', async () => {
    const { client, path } = await made(lone, last)
    const self = { userId: await idOf(last) }
    const over = watched.instead('atomically', async (real) => {
      over()
      await last.expect(200, 'changeUser', { path, body: { role: 'admin' } })
      await last.expect(200, 'changeUser', { path: self, body: { role: 'user' } })
      return real()
    })
    await client.refused('invalid-request', 'closeAccount')
    last = client
    expect(await admins()).toEqual([{ id: path.userId }])
  })

  test('is not one who has another: demoting, disabling, deleting oneself and leaving are free', async () => {
    const acts = [
      (self: Client, path: { userId: string }) =>
        self.expect(200, 'changeUser', { path, body: { role: 'user' } }),
      (self: Client, path: { userId: string }) =>
        self.expect(200, 'changeUser', { path, body: { disabled: true } }),
      (self: Client, path: { userId: string }) => self.expect(204, 'deleteUser', { path }),
      (self: Client) => self.expect(204, 'closeAccount'),
    ]
    const codes: (string | undefined)[] = []
    for (const act of acts) {
      const { client, path } = await made(lone, last, 'admin')
      await act(client, path)
      const { body } = await client.call('listUsers')
      codes.push((body as Problem).code)
    }
    expect(codes).toEqual([
      'insufficient-scope',
      'account-disabled',
      'token-invalid',
      'token-invalid',
    ])
    expect(await admins()).toHaveLength(1)
  })
})

describe('feedback and usage of everybody', () => {
  const totalsOf = async (query: object = {}) =>
    (await admin.expect(200, 'getAllUsage', { query })).body.totals

  test('are seen by an administrator, and counted on after an account is gone', async () => {
    await clock.advance(1)
    const before = await totalsOf()
    const [alice, bob] = [await made(server, admin), await made(server, admin)]
    const resources = [
      await createUserResources(alice.client),
      await createUserResources(bob.client),
    ]
    await clock.advance(1)
    const { data } = (await admin.expect(200, 'listAllFeedback', { query: { limit: 2 } })).body
    expect(data.map(({ id }) => id).sort()).toEqual(
      resources.map(({ feedbackId }) => feedbackId).sort(),
    )
    expect(data.map(({ userId }) => userId).sort()).toEqual(
      [alice, bob].map(({ path }) => path.userId).sort(),
    )
    const query = { limit: 100, rating: 'down' as const }
    const { data: down } = (await admin.expect(200, 'listAllFeedback', { query })).body
    expect(down).toEqual([])

    const after = await totalsOf()
    expect(after.messages).toBe(before.messages + 2)
    expect((await totalsOf({ accountId: alice.path.userId })).messages).toBe(1)
    await admin.expect(204, 'deleteUser', { path: alice.path })
    expect(await totalsOf()).toEqual(after)
    const { data: left } = (await admin.expect(200, 'listAllFeedback')).body
    expect(left.map(({ id }) => id)).not.toContain(resources[0]!['feedbackId'])
  })
})
