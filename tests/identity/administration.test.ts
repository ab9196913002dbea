import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createUserResources } from '../support/resources.ts'
import { DAY_MS, HOUR_MS } from '../support/clock/jumping-clock.ts'
import { databaseDump } from '../support/database/database-dump.ts'
import { createAccount, idOf, logIn, newAccount, type Role } from './accounts.ts'
import { admin, clock, logInAdmin, server, testStore } from './administration.given.ts'

describe('GET /admin/users', () => {
  const namesBy = async (query: object) => {
    const { body } = await admin.expect(200, 'listUsers', { query: { limit: 100, ...query } })
    return body.data.map(({ displayName }) => displayName)
  }

  test('lists 25 users by pages, the newest first, each once', async () => {
    const tag = randomUUID()
    const ids: string[] = []
    for (let i = 0; i < 25; i += 1) {
      const body = newAccount('user', `${tag} ${String(i)}`)
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

  test('finds text literally in names and emails, even if it holds wildcards of SQL', async () => {
    const tag = randomUUID().slice(0, 8)
    const names = ['100%', '1000', 'a_b', 'axb', 'c\\d', 'c\\\\d', 'cd'].map((n) => `${tag}${n}`)
    for (const name of names) {
      await admin.expect(201, 'createUser', { body: newAccount('user', name) })
    }

    const found = (q: string) => namesBy({ q: tag + q })

    expect(await found('100%')).toEqual([`${tag}100%`])
    expect(await found('A_B')).toEqual([`${tag}a_b`])
    expect(await found('c\\d')).toEqual([`${tag}c\\d`])
    expect(await found('%')).toEqual([])
    expect(await found('_')).toEqual([])
    expect(await namesBy({ q: 'ADMIN@example.com' })).toHaveLength(1)
  })

  test('filters by role and by disabled', async () => {
    const tag = randomUUID()
    const of = (role: Role, name: string) => newAccount(role, `${tag} ${name}`)
    for (const body of [of('user', 'u'), of('admin', 'a'), of('user', 'off')]) {
      const { body: user } = await admin.expect(201, 'createUser', { body })
      if (!body.displayName.endsWith('off')) continue
      const path = { userId: user.id }
      await admin.expect(200, 'changeUser', { path, body: { disabled: true } })
    }

    const found = async (query: object) =>
      (await namesBy({ q: tag, ...query })).map((name) => name.slice(tag.length + 1))

    expect(await found({})).toEqual(['off', 'a', 'u'])
    expect(await found({ role: 'user' })).toEqual(['off', 'u'])
    expect(await found({ role: 'admin' })).toEqual(['a'])
    expect(await found({ disabled: 'true' })).toEqual(['off'])
    expect(await found({ disabled: 'false', role: 'user' })).toEqual(['u'])
  })

  test('lists no service account', async () => {
    const tag = randomUUID()
    await admin.expect(201, 'createUser', { body: newAccount('user', `${tag} user`) })
    const body = { name: `${tag} robot`, scopes: [] }
    await admin.expect(201, 'createServiceAccount', { body })

    const users = await namesBy({ q: tag })

    expect(users).toEqual([`${tag} user`])
    const { data } = (await admin.expect(200, 'listServiceAccounts', { query: { q: tag } })).body
    expect(data.map(({ name }) => name)).toEqual([`${tag} robot`])
  })

  test('refuses a cursor with other filters', async () => {
    await createAccount(server, admin)
    const { nextCursor } = (await admin.expect(200, 'listUsers', { query: { limit: 1 } })).body

    const query = { limit: 1, cursor: nextCursor!, role: 'user' as const }

    await admin.refused('cursor-mismatch', 'listUsers', { query })
  })
})

describe('POST /admin/users', () => {
  test('creates a user who can log in, and returns Location and ETag', async () => {
    const body = newAccount()

    const { body: user, headers } = await admin.expect(201, 'createUser', { body })

    const { password: _password, ...shown } = body
    expect(user).toMatchObject({ ...shown, disabled: false, limits: {} })
    expect(JSON.stringify(user)).not.toContain(body.password)
    expect(headers['location']).toBe(`/api/v1/admin/users/${user.id}`)
    const read = await admin.expect(200, 'getUser', { path: { userId: user.id } })
    expect([read.body, read.headers['etag']]).toEqual([user, headers['etag']])
    expect(await idOf(await logIn(server, body))).toBe(user.id)
  })

  test('refuses an email that is taken, in any case and with white space around it', async () => {
    const { email } = await createAccount(server, admin)

    for (const spelling of [email, email.toUpperCase(), ` ${email}\n`]) {
      const body = { ...newAccount(), email: spelling }
      await admin.refused('email-taken', 'createUser', { body })
    }
  })

  test.each(['short', 'password123'])('refuses the weak password %j', async (password) => {
    const body = { ...newAccount(), password }

    await admin.refused('weak-password', 'createUser', { body })

    expect((await admin.expect(200, 'listUsers', { query: { q: body.email } })).body.data).toEqual(
      [],
    )
  })

  test('creates one user from concurrent calls with one email', async () => {
    const body = newAccount()

    const answers = await Promise.all([1, 2, 3, 4].map(() => admin.call('createUser', { body })))

    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409])
  })
})

describe('/admin/users/{userId} with conditional headers', () => {
  test('returns 304 until the user changes', async () => {
    const { path } = await createAccount(server, admin)
    const { headers } = await admin.expect(200, 'getUser', { path })
    const known = { 'If-None-Match': headers['etag']! }

    await admin.expect(304, 'getUser', { path, headers: known })
    await admin.expect(200, 'changeUser', { path, body: { displayName: ' Ada ' } })
    const now = await admin.expect(200, 'getUser', { path, headers: known })

    expect(now.body.displayName).toBe('Ada')
  })

  test('refuses to change or delete an older version with 412 and the current ETag', async () => {
    const { path, client } = await createAccount(server, admin)
    const stale = { 'If-Match': (await admin.expect(200, 'getUser', { path })).headers['etag']! }
    const body = { displayName: 'Ada' }
    const changed = await admin.expect(200, 'changeUser', { path, body, headers: stale })
    const { etag } = changed.headers

    const refusals = [
      await admin.refused('precondition-failed', 'changeUser', {
        path,
        body: { disabled: true },
        headers: stale,
      }),
      await admin.refused('precondition-failed', 'deleteUser', { path, headers: stale }),
    ]

    expect(refusals.map(({ headers }) => headers['etag'])).toEqual([etag, etag])
    await client.expect(200, 'getProfile')
    await admin.expect(204, 'deleteUser', { path, headers: { 'If-Match': etag! } })
    await admin.refused('not-found', 'changeUser', { path, body, headers: { 'If-Match': etag! } })
  })
})

describe('DELETE /admin/users/{userId}', () => {
  test('deletes all data of the user but the usage, and frees the email', async () => {
    const { client, path, email, password } = await createAccount(server, admin)
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
    await admin.expect(201, 'createUser', { body: { ...newAccount(), email } })
  })

  test('keeps the usage without an owner once every token of the account has expired', async () => {
    const { client, path } = await createAccount(server, admin)
    const { generationId } = await createUserResources(client)
    await admin.expect(204, 'deleteUser', { path })

    clock.jump(DAY_MS + HOUR_MS)
    await server.parley.services.closure.sweepAll()
    await logInAdmin()

    const { prisma } = testStore.database
    expect(await prisma.account.count({ where: { id: path.userId } })).toBe(0)
    const where = { generationId: generationId! }
    const usage = await prisma.usageRecord.findUniqueOrThrow({ where })
    expect(usage).toMatchObject({ accountId: null, answered: 1 })
  })

  test('deletes once when it is called twice concurrently, and returns 404 to the other call', async () => {
    const { path } = await createAccount(server, admin)

    const answers = await Promise.all([1, 2].map(() => admin.call('deleteUser', { path })))

    expect(answers.map(({ status }) => status).sort()).toEqual([204, 404])
  })
})

describe('GET /admin/feedback and GET /admin/usage', () => {
  const totalsOf = async (query: object = {}) =>
    (await admin.expect(200, 'getAllUsage', { query })).body.totals

  /** Creates two users who have each sent a message and rated the answer. */
  async function createActiveUsers() {
    const [alice, bob] = [await createAccount(server, admin), await createAccount(server, admin)]
    const resources = [
      await createUserResources(alice.client),
      await createUserResources(bob.client),
    ]
    await clock.advance(1)
    return { alice, bob, feedbackIds: resources.map(({ feedbackId }) => feedbackId!) }
  }

  test('cover every user', async () => {
    await clock.advance(1)
    const before = await totalsOf()

    const { alice, bob, feedbackIds } = await createActiveUsers()

    const { data } = (await admin.expect(200, 'listAllFeedback', { query: { limit: 2 } })).body
    expect(data.map(({ id }) => id).sort()).toEqual(feedbackIds.toSorted())
    expect(data.map(({ userId }) => userId).sort()).toEqual(
      [alice, bob].map(({ path }) => path.userId).sort(),
    )
    expect((await totalsOf()).messages).toBe(before.messages + 2)
    expect((await totalsOf({ accountId: alice.path.userId })).messages).toBe(1)
  })

  test('omit feedback of a rating other than the one in the query', async () => {
    await createActiveUsers()

    const query = { limit: 100, rating: 'down' as const }

    expect((await admin.expect(200, 'listAllFeedback', { query })).body.data).toEqual([])
  })

  test('count the usage of a deleted user, and no longer show its feedback', async () => {
    const { alice, feedbackIds } = await createActiveUsers()
    const before = await totalsOf()

    await admin.expect(204, 'deleteUser', { path: alice.path })

    expect(await totalsOf()).toEqual(before)
    const { data } = (await admin.expect(200, 'listAllFeedback')).body
    expect(data.map(({ id }) => id)).not.toContain(feedbackIds[0])
  })
})
