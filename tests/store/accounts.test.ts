import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { givenAccount, later, now } from './given.ts'

let opened: TestStore
beforeAll(async () => {
  opened = await openTestStore()
})
afterAll(() => opened.close())

test('an account comes back as it was written, without a null anywhere', async () => {
  const { accounts } = opened.store
  const id = randomUUID()

  await accounts.create({ id, role: 'service', displayName: 'Robot', now })

  expect(await accounts.find(id)).toStrictEqual({
    id,
    role: 'service',
    displayName: 'Robot',
    preferences: {},
    scopes: [],
    limits: {},
    version: 1,
    createdAt: now,
    updatedAt: now,
  })
})

test('of ten accounts created at once with one email, one gets it', async () => {
  const { accounts } = opened.store
  const create = () =>
    accounts.create({ id: randomUUID(), role: 'user', email: 'one@x.org', displayName: 'A', now })

  const created = await Promise.all(Array.from({ length: 10 }, create))

  expect(created.filter((account) => account !== 'email-taken')).toHaveLength(1)
  expect(await accounts.findByEmail('one@x.org')).toMatchObject({ email: 'one@x.org' })
})

test('of ten profile changes from one version, one wins and the others are stale', async () => {
  const { accounts } = opened.store
  const { id } = await givenAccount(opened.store)
  const change = (_: unknown, turn: number) =>
    accounts.updateProfile({
      id,
      displayName: `Name ${String(turn)}`,
      preferences: { locale: 'de' },
      expectedVersions: [1],
      now: later(5),
    })

  const changed = await Promise.all(Array.from({ length: 10 }, change))

  expect(changed.filter((result) => result === 'stale')).toHaveLength(9)
  expect(await accounts.find(id)).toMatchObject({ version: 2, preferences: { locale: 'de' } })
})

test('a profile change replaces the preferences and says when the account is unknown', async () => {
  const { accounts } = opened.store
  const { id } = await givenAccount(opened.store)
  const change = { id, displayName: 'B', now }
  await accounts.updateProfile({ ...change, preferences: { locale: 'de', defaultMode: 'concise' } })
  const account = await accounts.updateProfile({ ...change, preferences: { timeZone: 'UTC' } })
  expect(account).toMatchObject({ version: 3, preferences: { timeZone: 'UTC' } })
  expect(account).not.toHaveProperty('preferences.locale')

  const unknown = { ...change, id: randomUUID(), preferences: {}, expectedVersions: [1] }
  expect(await accounts.updateProfile(unknown)).toBeUndefined()
})

test('a password hash is kept, and an admin is found once there is one', async () => {
  const { accounts } = opened.store
  expect(await accounts.hasAdmin()).toBe(false)

  const id = randomUUID()
  const root = { id, role: 'admin', email: 'root@x.org', displayName: 'Root' } as const
  await accounts.create({ ...root, passwordHash: 'hash', now })
  expect(await accounts.hasAdmin()).toBe(true)

  const change = { id, from: 'hash', to: 'other', now }
  expect(await accounts.changePassword(change)).toBe(true)
  expect(await accounts.find(id)).toMatchObject({ passwordHash: 'other', version: 2 })
  expect(await accounts.changePassword(change)).toBe(false)
  expect(await accounts.rehashPassword({ id, from: 'other', to: 'newer' })).toBe(true)
  expect(await accounts.rehashPassword({ id, from: 'other', to: 'newest' })).toBe(false)
  expect(await accounts.find(id)).toMatchObject({ passwordHash: 'newer', version: 2 })
})
