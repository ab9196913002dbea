import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { givenAccount, later, now } from './given.ts'

let opened: TestStore
beforeAll(async () => {
  opened = await openTestStore()
})
afterAll(() => opened.close())

describe('accounts', () => {
  test('reads an account as it was written, without null in any field', async () => {
    const { accounts } = opened.store
    const id = randomUUID()

    await accounts.create({ id, role: 'service', displayName: 'Help desk', now })

    expect(await accounts.find(id)).toStrictEqual({
      id,
      role: 'service',
      displayName: 'Help desk',
      preferences: {},
      scopes: [],
      limits: {},
      version: 1,
      createdAt: now,
      updatedAt: now,
    })
  })

  test('creates one account out of ten concurrent ones with the same email', async () => {
    const { accounts } = opened.store
    const create = () =>
      accounts.create({ id: randomUUID(), role: 'user', email: 'one@x.org', displayName: 'A', now })

    const created = await Promise.all(Array.from({ length: 10 }, create))

    expect(created.filter((account) => account !== 'email-taken')).toHaveLength(1)
    expect(await accounts.findByEmail('one@x.org')).toMatchObject({ email: 'one@x.org' })
  })

  test('applies one of ten concurrent profile changes of one version; the others are stale', async () => {
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

  test('replaces all preferences with a profile change', async () => {
    const { accounts } = opened.store
    const { id } = await givenAccount(opened.store)
    const change = { id, displayName: 'B', now }
    await accounts.updateProfile({
      ...change,
      preferences: { locale: 'de', defaultMode: 'concise' },
    })

    const account = await accounts.updateProfile({ ...change, preferences: { timeZone: 'UTC' } })

    expect(account).toMatchObject({ version: 3, preferences: { timeZone: 'UTC' } })
    expect(account).not.toHaveProperty('preferences.locale')
  })

  test('returns nothing for a profile change of an unknown account', async () => {
    const change = {
      id: randomUUID(),
      displayName: 'B',
      preferences: {},
      expectedVersions: [1],
      now,
    }

    expect(await opened.store.accounts.updateProfile(change)).toBeUndefined()
  })

  test('knows whether there is an administrator', async () => {
    const { accounts } = opened.store
    const id = randomUUID()
    expect(await accounts.hasAdmin()).toBe(false)

    await accounts.create({ id, role: 'admin', email: 'root@x.org', displayName: 'Root', now })

    expect(await accounts.hasAdmin()).toBe(true)
  })

  test('changes and rehashes a password only from the hash that is stored', async () => {
    const { accounts } = opened.store
    const id = randomUUID()
    const account = { id, role: 'user', email: 'one-more@x.org', displayName: 'One' } as const
    await accounts.create({ ...account, passwordHash: 'hash', now })

    const change = { id, from: 'hash', to: 'other', now }
    expect(await accounts.changePassword(change)).toBe(true)
    expect(await accounts.find(id)).toMatchObject({ passwordHash: 'other', version: 2 })
    expect(await accounts.changePassword(change)).toBe(false)
    expect(await accounts.rehashPassword({ id, from: 'other', to: 'newer' })).toBe(true)
    expect(await accounts.rehashPassword({ id, from: 'other', to: 'newest' })).toBe(false)
    expect(await accounts.find(id)).toMatchObject({ passwordHash: 'newer', version: 2 })
  })
})
