import { describe, expect, test } from 'vitest'
import { DAY_MS, MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import {
  clock,
  inSeconds,
  listKeys,
  createKey,
  newServiceAccount,
  keyPath,
  tryToRotate,
  rotate,
  server,
  clientWithKey,
} from './api-keys.given.ts'

describe('the expiry of an API key', () => {
  test('is the moment from which the key is refused with token-expired', async () => {
    const robot = await newServiceAccount()
    const { secret, expiresAt } = await createKey(robot, { expiresAt: inSeconds(60) })
    expect(expiresAt).toBe(inSeconds(60))
    clock.jump(60 * SECOND_MS - 1)
    await clientWithKey(secret).expect(200, 'getProfile')

    clock.jump(1)

    const { status } = await clientWithKey(secret).refused('token-expired', 'getProfile')
    expect(status).toBe(401)
    await robot.expect(200, 'getProfile')
  })

  test.each([
    ['in the past', () => inSeconds(-1)],
    ['that is now', () => inSeconds(0)],
    ['on a day that does not exist', () => '2027-02-30T00:00:00Z'],
    ['in a month that does not exist', () => '2027-13-01T00:00:00Z'],
    ['at hour 24', () => '2030-01-01T24:00:00Z'],
    ['with an offset of 24 hours', () => '2030-01-01T00:00:00+24:00'],
    ['with an offset without a colon', () => '2030-01-01T00:00:00+0100'],
    ['with an offset of hours alone', () => '2030-01-01T00:00:00+01'],
    ['in a leap second that is not at the end of June or December', () => '2030-01-01T23:59:60Z'],
    ['without seconds', () => '2030-01-01T23:59Z'],
    ['without an offset', () => '2030-01-01T23:59:59'],
    ['beyond the year 9999', () => '9999-12-31T23:59:59-01:00'],
  ])('cannot be a time %s', async (_, expiresAt) => {
    const robot = await newServiceAccount()
    const { serviceAccountId } = robot

    const admin = await server.admin()
    const { body } = await admin.refused('invalid-request', 'createApiKey', {
      path: { serviceAccountId },
      body: { name: 'late', expiresAt: expiresAt() },
    })

    expect(body.errors).toMatchObject([{ in: 'body', pointer: '/expiresAt' }])
    expect(await listKeys(robot)).toHaveLength(1)
  })

  test.each([
    ['2030-01-01t23:59:59z', '2030-01-01T23:59:59.000Z'],
    ['2030-01-01T23:59:59.1234567-00:30', '2030-01-02T00:29:59.123Z'],
    ['2030-12-31T23:59:60Z', '2031-01-01T00:00:00.000Z'],
    ['2030-07-01T08:59:60.5+09:00', '2030-07-01T00:00:00.500Z'],
  ])('can be %s, in the notation of RFC 3339', async (written, at) => {
    const { expiresAt } = await createKey(await newServiceAccount(), { expiresAt: written })

    expect(expiresAt).toBe(at)
  })

  test('makes it impossible to revoke or rotate the key', async () => {
    const robot = await newServiceAccount()
    const { id } = await createKey(robot, { expiresAt: inSeconds(60) })

    clock.jump(60 * SECOND_MS)

    expect((await tryToRotate(robot, id, 0)).status).toBe(404)
    const path = keyPath(robot, id)
    await (await server.admin()).refused('not-found', 'revokeApiKey', { path })
  })
})

describe('the rotation of an API key', () => {
  test('gives a successor that works immediately, while the old key works until the end of the overlap', async () => {
    const robot = await newServiceAccount()
    await robot.expect(200, 'getProfile')

    const successor = await rotate(robot, robot.apiKeyId, 60)

    expect(successor).toMatchObject({ name: 'test', scopes: ['profile:read'] })
    await clientWithKey(successor.secret).expect(200, 'getProfile')
    clock.jump(60 * SECOND_MS - 1)
    await robot.expect(200, 'getProfile')
    clock.jump(1)
    await robot.refused('token-expired', 'getProfile')
    await clientWithKey(successor.secret).expect(200, 'getProfile')
    const [second, first] = await listKeys(robot)
    expect([second!.id, first!.id]).toEqual([successor.id, robot.apiKeyId])
    expect(first!.overlapEndsAt).toBe(inSeconds(0))
    expect(second!.overlapEndsAt).toBeUndefined()
  })

  test('without an overlap ends the old key immediately, even if it was used before', async () => {
    const robot = await newServiceAccount()
    await robot.expect(200, 'getProfile')

    const { secret } = await rotate(robot, robot.apiKeyId.toUpperCase(), 0)

    await robot.refused('token-expired', 'getProfile')
    await clientWithKey(secret).expect(200, 'getProfile')
  })

  test('is possible once for each key, and then for its successor', async () => {
    const robot = await newServiceAccount()

    const successor = await rotate(robot, robot.apiKeyId, 60)

    expect((await tryToRotate(robot, robot.apiKeyId, 60)).status).toBe(404)
    expect((await tryToRotate(robot, successor.id, 60)).status).toBe(201)
    expect(await listKeys(robot)).toHaveLength(3)
  })

  test('creates one successor from concurrent calls', async () => {
    const robot = await newServiceAccount()

    const answers = await Promise.all([1, 2, 3].map(() => tryToRotate(robot, robot.apiKeyId, 60)))

    expect(answers.map(({ status }) => status).sort()).toEqual([201, 404, 404])
    expect(await listKeys(robot)).toHaveLength(2)
  })

  test('gives the successor the same lifetime as the old key', async () => {
    const robot = await newServiceAccount()
    const { id } = await createKey(robot, { expiresAt: inSeconds(3600) })
    clock.jump(MINUTE_MS)

    const successor = await rotate(robot, id, 0)

    expect(successor.expiresAt).toBe(inSeconds(3600))
  })

  test('never sets an expiry beyond the year 9999', async () => {
    const robot = await newServiceAccount()
    const { id } = await createKey(robot, { expiresAt: '9999-12-31T23:59:59.999Z' })
    clock.jump(DAY_MS)

    const successor = await rotate(robot, id, 0)

    expect(successor.expiresAt).toBe('9999-12-31T23:59:59.999Z')
    await clientWithKey(successor.secret).expect(200, 'getProfile')
  })

  test('leaves the old key revocable during the overlap', async () => {
    const robot = await newServiceAccount()
    const { secret } = await rotate(robot, robot.apiKeyId, 60)
    const path = keyPath(robot, robot.apiKeyId)
    await robot.expect(200, 'getProfile')

    await (await server.admin()).expect(204, 'revokeApiKey', { path })

    await robot.refused('token-invalid', 'getProfile')
    await clientWithKey(secret).expect(200, 'getProfile')
  })
})
