import { describe, expect, test } from 'vitest'
import { DAY_MS, MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import {
  clock,
  inSeconds,
  keysOf,
  newKey,
  newRobot,
  pathOf,
  rotate,
  rotated,
  server,
  withKey,
} from './api-keys.given.ts'

describe('a key that expires', () => {
  test('opens up to its end and is told apart after it', async () => {
    const robot = await newRobot()
    const { secret, expiresAt } = await newKey(robot, { expiresAt: inSeconds(60) })
    expect(expiresAt).toBe(inSeconds(60))

    clock.jump(60 * SECOND_MS - 1)
    await withKey(secret).expect(200, 'getProfile')
    clock.jump(1)
    const { status } = await withKey(secret).refused('token-expired', 'getProfile')
    expect(status).toBe(401)

    await robot.expect(200, 'getProfile')
  })

  test.each([
    ['in the past', () => inSeconds(-1)],
    ['now', () => inSeconds(0)],
    ['on a day that no month has', () => '2027-02-30T00:00:00Z'],
    ['on no day', () => '2027-13-01T00:00:00Z'],
    ['at hour 24', () => '2030-01-01T24:00:00Z'],
    ['at an offset of 24 hours', () => '2030-01-01T00:00:00+24:00'],
    ['at an offset without its colon', () => '2030-01-01T00:00:00+0100'],
    ['at an offset of mere hours', () => '2030-01-01T00:00:00+01'],
    ['in a 61st second on any day', () => '2030-01-01T23:59:60Z'],
    ['without seconds', () => '2030-01-01T23:59Z'],
    ['at a time of nowhere', () => '2030-01-01T23:59:59'],
    ['when no date can be written any more', () => '9999-12-31T23:59:59-01:00'],
  ])('cannot end %s', async (_, end) => {
    const robot = await newRobot()
    const { serviceAccountId } = robot

    const { body } = await (
      await server.admin()
    ).refused('invalid-request', 'createApiKey', {
      path: { serviceAccountId },
      body: { name: 'late', expiresAt: end() },
    })

    expect(body.errors).toMatchObject([{ in: 'body', pointer: '/expiresAt' }])
    expect(await keysOf(robot)).toHaveLength(1)
  })

  test.each([
    ['2030-01-01t23:59:59z', '2030-01-01T23:59:59.000Z'],
    ['2030-01-01T23:59:59.1234567-00:30', '2030-01-02T00:29:59.123Z'],
    ['2030-12-31T23:59:60Z', '2031-01-01T00:00:00.000Z'],
    ['2030-07-01T08:59:60.5+09:00', '2030-07-01T00:00:00.500Z'],
  ])('can end at %s, as RFC 3339 writes times', async (end, at) => {
    const { expiresAt } = await newKey(await newRobot(), { expiresAt: end })

    expect(expiresAt).toBe(at)
  })

  test('is not revoked or rotated any more', async () => {
    const robot = await newRobot()
    const { id } = await newKey(robot, { expiresAt: inSeconds(60) })
    clock.jump(60 * SECOND_MS)
    expect((await rotate(robot, id, 0)).status).toBe(404)

    const path = pathOf(robot, id)
    await (await server.admin()).refused('not-found', 'revokeApiKey', { path })
  })
})

describe('rotation', () => {
  test('gives a successor that works at once, while the old key goes on to the end of the overlap', async () => {
    const robot = await newRobot()
    await robot.expect(200, 'getProfile')
    const successor = await rotated(robot, robot.apiKeyId, 60)
    expect(successor).toMatchObject({ name: 'test', scopes: ['profile:read'] })

    await withKey(successor.secret).expect(200, 'getProfile')
    clock.jump(60 * SECOND_MS - 1)
    await robot.expect(200, 'getProfile')
    clock.jump(1)
    await robot.refused('token-expired', 'getProfile')
    await withKey(successor.secret).expect(200, 'getProfile')
    const [second, first] = await keysOf(robot)
    expect([second!.id, first!.id]).toEqual([successor.id, robot.apiKeyId])
    expect(first!.overlapEndsAt).toBe(inSeconds(0))
    expect(second!.overlapEndsAt).toBeUndefined()
  })

  test('without an overlap ends the old key at once, though it was known', async () => {
    const robot = await newRobot()
    await robot.expect(200, 'getProfile')
    const { secret } = await rotated(robot, robot.apiKeyId.toUpperCase(), 0)
    await robot.refused('token-expired', 'getProfile')
    await withKey(secret).expect(200, 'getProfile')
  })

  test('is possible once for each key; the successor is rotated next', async () => {
    const robot = await newRobot()

    const successor = await rotated(robot, robot.apiKeyId, 60)

    expect((await rotate(robot, robot.apiKeyId, 60)).status).toBe(404)
    expect((await rotate(robot, successor.id, 60)).status).toBe(201)
    expect(await keysOf(robot)).toHaveLength(3)
  })

  test('of one key twice at the same moment makes one successor', async () => {
    const robot = await newRobot()

    const answers = await Promise.all([1, 2, 3].map(() => rotate(robot, robot.apiKeyId, 60)))

    expect(answers.map(({ status }) => status).sort()).toEqual([201, 404, 404])
    expect(await keysOf(robot)).toHaveLength(2)
  })

  test('gives the successor a life as long as the old key had', async () => {
    const robot = await newRobot()
    const { id } = await newKey(robot, { expiresAt: inSeconds(3600) })

    clock.jump(MINUTE_MS)

    expect((await rotated(robot, id, 0)).expiresAt).toBe(inSeconds(3600))
  })

  test('never gives a life beyond what a date can say', async () => {
    const robot = await newRobot()
    const { id } = await newKey(robot, { expiresAt: '9999-12-31T23:59:59.999Z' })
    clock.jump(DAY_MS)
    const successor = await rotated(robot, id, 0)
    expect(successor.expiresAt).toBe('9999-12-31T23:59:59.999Z')

    await withKey(successor.secret).expect(200, 'getProfile')
  })

  test('during the overlap does not save the old key from being revoked', async () => {
    const robot = await newRobot()
    const { secret } = await rotated(robot, robot.apiKeyId, 60)
    const path = pathOf(robot, robot.apiKeyId)
    await robot.expect(200, 'getProfile')
    await (await server.admin()).expect(204, 'revokeApiKey', { path })
    await robot.refused('token-invalid', 'getProfile')
    await withKey(secret).expect(200, 'getProfile')
  })
})
