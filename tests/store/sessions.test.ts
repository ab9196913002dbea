import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { NewSession } from '../../src/store/store.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { givenAccount, later, now } from './given.ts'

const DAY = 86_400_000

let opened: TestStore
beforeAll(async () => {
  opened = await openTestStore()
})
afterAll(() => opened.close())

async function givenSession(changes: Partial<NewSession> = {}) {
  const accountId = changes.accountId ?? (await givenAccount(opened.store)).id
  return opened.store.sessions.create({
    id: randomUUID(),
    accountId,
    now,
    expiresAt: later(7 * DAY),
    endsAt: later(30 * DAY),
    address: '192.0.2.1',
    userAgent: 'test',
    ...changes,
  })
}

test('of twenty rotations from one counter, exactly one gets the session', async () => {
  const { sessions } = opened.store
  const { id } = await givenSession()
  const rotate = () => sessions.rotate({ id, counter: 0, now: later(5), expiresAt: later(8 * DAY) })

  const rotated = await Promise.all(Array.from({ length: 20 }, rotate))

  expect(rotated.filter((session) => session !== undefined)).toHaveLength(1)
  expect(await sessions.find(id)).toMatchObject({
    refreshCounter: 1,
    rotatedAt: later(5),
    lastUsedAt: later(5),
    expiresAt: later(8 * DAY),
  })
})

test('a rotation never carries a session beyond its absolute end', async () => {
  const { id } = await givenSession()
  const rotation = { id, counter: 0, now: later(5), expiresAt: later(99 * DAY) }

  const session = await opened.store.sessions.rotate(rotation)

  expect(session?.expiresAt).toStrictEqual(later(30 * DAY))
})

test('a revoked or an expired session cannot be rotated', async () => {
  const { sessions } = opened.store
  const [revoked, expired] = [await givenSession(), await givenSession({ expiresAt: later(1) })]
  expect(await sessions.revoke({ id: revoked.id, now })).toBe(true)
  expect(await sessions.revoke({ id: revoked.id, now: later(9) })).toBe(false)

  const rotation = { counter: 0, now: later(1), expiresAt: later(DAY) }
  expect(await sessions.rotate({ id: revoked.id, ...rotation })).toBeUndefined()
  expect(await sessions.rotate({ id: expired.id, ...rotation })).toBeUndefined()
  expect((await sessions.find(revoked.id))?.revokedAt).toStrictEqual(now)
})

test('all sessions of one account but the excepted one are revoked, and of no other', async () => {
  const { sessions } = opened.store
  const { id: accountId } = await givenAccount(opened.store)
  const [kept, first, second] = [
    await givenSession({ accountId }),
    await givenSession({ accountId }),
    await givenSession({ accountId }),
  ]
  const other = await givenSession()
  const at = later(DAY / 2)

  const revoked = await sessions.revokeOwned({ accountId, exceptId: kept.id, now: at })

  expect(revoked.sort()).toStrictEqual([first.id, second.id].sort())
  expect((await sessions.find(other.id))?.revokedAt).toBeUndefined()
  expect(await sessions.listLive({ accountId, now, limit: 10 })).toStrictEqual([kept])
  expect((await sessions.revokedSince(at)).map(({ id }) => id).sort()).toStrictEqual(revoked)
  expect(await sessions.revokedSince(later(DAY / 2 + 1))).toStrictEqual([])
})

test('only sessions that have expired are forgotten', async () => {
  const { sessions } = opened.store

  const [old, live] = [await givenSession({ expiresAt: later(-DAY) }), await givenSession()]

  expect(await sessions.deleteExpired(now)).toBe(1)
  expect(await sessions.find(old.id)).toBeUndefined()
  expect(await sessions.find(live.id)).toBeDefined()
})
