import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createUserResources } from '../support/resources.ts'
import {
  type Role,
  admin,
  clock,
  idOf,
  logIn,
  made,
  newcomer,
  server,
} from './administration.given.ts'

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
