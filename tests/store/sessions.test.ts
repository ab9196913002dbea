import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { NewSession } from '../../src/store/store.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { givenAccount, later, now } from './given.ts'

const DAY_MS = 86_400_000

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
    expiresAt: later(7 * DAY_MS),
    endsAt: later(30 * DAY_MS),
    address: '192.0.2.1',
    userAgent: 'test',
    ...changes,
  })
}

test('one of twenty concurrent rotations of one counter succeeds', async () => {
  const { sessions } = opened.store
  const { id } = await givenSession()
  const rotate = () =>
    sessions.rotate({ id, counter: 0, now: later(5), expiresAt: later(8 * DAY_MS) })

  const rotated = await Promise.all(Array.from({ length: 20 }, rotate))

  expect(rotated.filter((session) => session !== undefined)).toHaveLength(1)
  expect(await sessions.find(id)).toMatchObject({
    refreshCounter: 1,
    rotatedAt: later(5),
    lastUsedAt: later(5),
    expiresAt: later(8 * DAY_MS),
  })
})

test('a rotation does not extend a session beyond its absolute end', async () => {
  const { id } = await givenSession()
  const rotation = { id, counter: 0, now: later(5), expiresAt: later(99 * DAY_MS) }

  const session = await opened.store.sessions.rotate(rotation)

  expect(session?.expiresAt).toStrictEqual(later(30 * DAY_MS))
})

test('a revoked or expired session cannot be rotated', async () => {
  const { sessions } = opened.store
  const [revoked, expired] = [await givenSession(), await givenSession({ expiresAt: later(1) })]
  expect(await sessions.revoke({ id: revoked.id, now })).toBe(true)
  expect(await sessions.revoke({ id: revoked.id, now: later(9) })).toBe(false)

  const rotation = { counter: 0, now: later(1), expiresAt: later(DAY_MS) }
  expect(await sessions.rotate({ id: revoked.id, ...rotation })).toBeUndefined()
  expect(await sessions.rotate({ id: expired.id, ...rotation })).toBeUndefined()
  expect((await sessions.find(revoked.id))?.revokedAt).toStrictEqual(now)
})

test('revokeOwned revokes all sessions of one account except the given one', async () => {
  const { sessions } = opened.store
  const { id: accountId } = await givenAccount(opened.store)
  const [excepted, first, second] = [
    await givenSession({ accountId }),
    await givenSession({ accountId }),
    await givenSession({ accountId }),
  ]
  const other = await givenSession()
  const at = later(DAY_MS / 2)

  const revoked = await sessions.revokeOwned({ accountId, exceptId: excepted.id, now: at })

  expect(revoked.sort()).toStrictEqual([first.id, second.id].sort())
  expect((await sessions.find(other.id))?.revokedAt).toBeUndefined()
  expect(await sessions.listLive({ accountId, now, limit: 10 })).toStrictEqual([excepted])
  expect((await sessions.revokedSince(at)).map(({ id }) => id).sort()).toStrictEqual(revoked)
  expect(await sessions.revokedSince(later(DAY_MS / 2 + 1))).toStrictEqual([])
})

test('deleteExpired deletes only expired sessions', async () => {
  const { sessions } = opened.store
  const [expired, live] = [await givenSession({ expiresAt: later(-DAY_MS) }), await givenSession()]

  expect(await sessions.deleteExpired(now)).toBe(1)
  expect(await sessions.find(expired.id)).toBeUndefined()
  expect(await sessions.find(live.id)).toBeDefined()
})
