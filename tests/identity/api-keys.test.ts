import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Scope } from '../../generated/api.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { type Client, createClient } from '../support/client.ts'
import { exampleRequest } from '../support/contract/contract.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { DAY_MS, JumpingClock, MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { exampleBody, operations } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, textOf } from '../support/wire/stream.ts'
import { newServiceAccount, type ServiceAccountClient } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'
import { send, sendBytes } from '../support/wire/wire.ts'

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
const ALL_SCOPES: Scope[] = [
  'admin:audit',
  'admin:feedback',
  'admin:service-accounts',
  'admin:usage',
  'admin:users',
  ...USER_SCOPES,
]
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** `parley_live_`, the id and what divides it from the secret. */
const SECRET_STARTS_AT = 25

let testStore: TestStore
let watched: SpyStore
let clock: JumpingClock
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  watched = spyOnStore(testStore.store)
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock, instead: { deps: { store: watched.store } } })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

const newRobot = (scopes: Scope[] = ['profile:read']) => newServiceAccount(server, scopes)
const withKey = (apiKey: string) => createClient(server.url, { apiKey })
const inSeconds = (seconds: number) =>
  new Date(clock.now().getTime() + seconds * SECOND_MS).toISOString()

async function newKey(robot: ServiceAccountClient, more: { expiresAt?: string } = {}) {
  const admin = await server.admin()
  const path = { serviceAccountId: robot.serviceAccountId }
  return (await admin.expect(201, 'createApiKey', { path, body: { name: 'spare', ...more } })).body
}

async function keysOf({ serviceAccountId }: ServiceAccountClient) {
  const admin = await server.admin()
  return (await admin.expect(200, 'listApiKeys', { path: { serviceAccountId } })).body.data
}

const pathOf = ({ serviceAccountId }: ServiceAccountClient, apiKeyId: string) => ({
  serviceAccountId,
  apiKeyId,
})

async function rotate(robot: ServiceAccountClient, apiKeyId: string, overlapSeconds: number) {
  const path = pathOf(robot, apiKeyId)
  return (await server.admin()).call('rotateApiKey', { path, body: { overlapSeconds } })
}

async function rotated(robot: ServiceAccountClient, apiKeyId: string, overlapSeconds: number) {
  const answer = await rotate(robot, apiKeyId, overlapSeconds)
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  return answer.body
}

/** Six digits of base 62, as whoever reads the contract would write them. */
function checksumOf(text: string): string {
  let rest = BigInt(crc32(text))
  let digits = ''
  while (digits.length < 6) {
    digits = DIGITS[Number(rest % 62n)]! + digits
    rest /= 62n
  }
  return digits
}

/** A key that is well-formed, but that nobody was given. */
function forge(publicId: string): string {
  const body = `parley_live_${publicId}_${'7'.repeat(43)}`
  return body + checksumOf(body)
}

describe('a secret', () => {
  test('is letters and digits, with an id in the clear and a CRC-32 at its end', async () => {
    const { secret } = await newRobot()
    expect(secret).toMatch(/^parley_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/)
    expect(secret.slice(-6)).toBe(checksumOf(secret.slice(0, -6)))
  })

  test('is shown once: no list, no record and no log has it, and the database has a hash', async () => {
    const robot = await newRobot()
    const successor = await rotated(robot, robot.apiKeyId, 60)
    await robot.expect(200, 'getProfile')
    await robot.refused('insufficient-scope', 'listUsers')
    await withKey(`${robot.secret}x`).refused('token-invalid', 'getProfile')
    await send(`${server.url}/api/v1/users/profile?key=${robot.secret}`)
    const admin = await server.admin()
    const seen = JSON.stringify([
      await keysOf(robot),
      (await admin.expect(200, 'listServiceAccounts')).body,
      (await admin.expect(200, 'listAuditEvents', { query: { limit: 100 } })).body,
      server.logged(),
      await testStore.database.prisma.apiKey.findMany({ omit: { hash: true } }),
    ])
    for (const { secret } of [robot, successor]) {
      expect(seen).not.toContain(secret.slice(SECRET_STARTS_AT, SECRET_STARTS_AT + 20))
      expect(seen).toContain(secret.slice(0, SECRET_STARTS_AT - 1))
    }
    const where = { id: robot.apiKeyId }
    const { hash } = await testStore.database.prisma.apiKey.findUniqueOrThrow({ where })
    expect(hash.length).toBe(32)
    expect(Buffer.from(hash).toString('latin1')).not.toContain(robot.secret.slice(0, 12))
  })

  test('is never the same twice', async () => {
    const robot = await newRobot()
    const secrets = [robot.secret, (await newKey(robot)).secret, (await newKey(robot)).secret]
    expect(new Set(secrets.map((secret) => secret.slice(SECRET_STARTS_AT))).size).toBe(3)
  })
})

describe('what is not a key', () => {
  const spoil = (secret: string): [string, string][] => {
    const last = secret.at(-1) === 'A' ? 'B' : 'A'
    const middle = secret[40] === 'A' ? 'B' : 'A'
    return [
      ['has another checksum', secret.slice(0, -1) + last],
      ['has another secret under its checksum', secret.slice(0, 40) + middle + secret.slice(41)],
      ['is cut', secret.slice(0, -1)],
      ['has something after it', `${secret}0`],
      ['is a prefix alone', secret.slice(0, SECRET_STARTS_AT - 1)],
      ['is a name alone', 'parley_live_'],
      ['is in capitals', `parley_live_${secret.slice(12).toUpperCase()}`],
      ['has a character of another alphabet', `${secret.slice(0, 30)}-${secret.slice(31)}`],
      ['is of 10 kB', secret + 'A'.repeat(10_000)],
    ]
  }

  test('is refused without asking the database, wherever it stands', async () => {
    const { secret } = await newRobot()
    for (const [what, junk] of spoil(secret)) {
      const asked = await watched.during(async () => {
        await withKey(junk).refused('token-invalid', 'getProfile')
        const headers = { Authorization: `Bearer ${junk}` }
        await server.anybody.refused('token-invalid', 'getProfile', { headers })
      })
      expect([what, asked]).toEqual([what, []])
    }
  })

  test('is refused with one question when it is well-formed: unknown, or with another secret', async () => {
    const { secret } = await newRobot()
    for (const publicId of ['000000000000', secret.slice(12, 24)]) {
      const asked = await watched.during(async () => {
        const { headers } = await withKey(forge(publicId)).refused('token-invalid', 'getProfile')
        expect(headers['www-authenticate']).toContain('error="invalid_token"')
      })
      expect(asked).toEqual(['apiKeys.findHeld'])
    }
    await withKey(secret).expect(200, 'getProfile')
  })

  test('is a token in X-API-Key, or a key under another scheme', async () => {
    const [alice, robot] = [await server.newUser(), await newRobot()]
    const { accessToken } = alice.identity
    await withKey(accessToken).refused('token-invalid', 'getProfile')
    for (const Authorization of [robot.secret, `Basic ${robot.secret}`, `ApiKey ${robot.secret}`]) {
      const headers = { Authorization }
      await server.anybody.refused('token-invalid', 'getProfile', { headers })
    }
  })

  test('of 100 kB is 431, in either header', async () => {
    const { secret } = await newRobot()
    const huge = secret + 'A'.repeat(100_000)
    const { url } = server
    for (const headers of [{ 'X-API-Key': huge }, { Authorization: `Bearer ${huge}` }]) {
      const answer = await send(`${url}/api/v1/users/profile`, { headers })
      expect([answer.status, answer.problem().code]).toEqual([431, 'headers-too-large'])
    }
  })
})

describe('the place of a key', () => {
  test('is X-API-Key or Authorization, whatever the case of the scheme', async () => {
    const robot = await newRobot()
    await robot.expect(200, 'getProfile')
    for (const scheme of ['Bearer', 'bearer', 'BEARER ']) {
      const headers = { Authorization: `${scheme} ${robot.secret}` }
      await server.anybody.expect(200, 'getProfile', { headers })
    }
  })

  test('is one: two credentials are refused though both are right', async () => {
    const [alice, robot] = [await server.newUser(), await newRobot()]
    for (const credential of [alice.identity.accessToken, robot.secret]) {
      const headers = { Authorization: `Bearer ${credential}` }
      const { body } = await robot.refused('token-invalid', 'getProfile', { headers })
      expect(body.detail).toBe('Send exactly one credential.')
    }
  })

  test('is one: a header that is there twice is refused, the same or another', async () => {
    const [alice, robot] = [await server.newUser(), await newRobot()]
    const key = `X-API-Key: ${robot.secret}`
    const keyAsBearer = `Authorization: Bearer ${robot.secret}`
    const token = `authorization: Bearer ${alice.identity.accessToken}`
    for (const lines of [
      [key, key],
      [keyAsBearer, keyAsBearer],
      [token, keyAsBearer],
      [token, token],
    ]) {
      const head = ['GET /api/v1/users/profile HTTP/1.1', 'Host: parley', 'Connection: close']
      const answer = await sendBytes(server.url, `${[...head, ...lines].join('\r\n')}\r\n\r\n`)
      expect([answer.status, answer.problem().code]).toEqual([401, 'token-invalid'])
    }
  })
})

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

describe('what administrators decide', () => {
  const known = async (robot: Client) => {
    await robot.expect(200, 'getProfile')
    await clock.advance(1)
    await robot.expect(200, 'getProfile')
  }

  test('a revoked key is refused at once, though it was known, and stays in the list', async () => {
    const robot = await newRobot()
    await known(robot)
    const path = pathOf(robot, robot.apiKeyId.toUpperCase())
    const admin = await server.admin()
    await admin.expect(204, 'revokeApiKey', { path })
    await robot.refused('token-invalid', 'getProfile')
    await admin.refused('not-found', 'revokeApiKey', { path })
    expect((await rotate(robot, robot.apiKeyId, 0)).status).toBe(404)
    expect(await keysOf(robot)).toMatchObject([{ id: robot.apiKeyId, revokedAt: inSeconds(0) }])
  })

  test('the keys of a service account are walked page by page, the newest first', async () => {
    const robot = await newRobot()
    const ids = [robot.apiKeyId]
    for (let i = 0; i < 4; i += 1) ids.unshift((await newKey(robot)).id)
    const [admin, path] = [await server.admin(), { serviceAccountId: robot.serviceAccountId }]
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const query = { limit: 2, ...(cursor !== undefined && { cursor }) }
      const { body } = await admin.expect(200, 'listApiKeys', { path, query })
      seen.push(...body.data.map(({ id }) => id))
      cursor = body.nextCursor
    } while (cursor !== undefined)
    expect(seen).toEqual(ids)
  })

  test('a key of another service account is not found under this one', async () => {
    const [robot, other] = [await newRobot(), await newRobot()]
    const path = pathOf(robot, other.apiKeyId)
    await (await server.admin()).refused('not-found', 'revokeApiKey', { path })
    expect((await rotate(robot, other.apiKeyId, 0)).status).toBe(404)
    await other.expect(200, 'getProfile')
  })

  test('disabling and enabling a service account takes effect at once on all its keys', async () => {
    const robot = await newRobot()
    const spare = withKey((await newKey(robot)).secret)
    await known(robot)
    const path = { serviceAccountId: robot.serviceAccountId }
    const admin = await server.admin()
    await admin.expect(200, 'changeServiceAccount', { path, body: { disabled: true } })
    for (const key of [robot, spare]) await key.refused('account-disabled', 'getProfile')
    await admin.expect(200, 'changeServiceAccount', { path, body: { disabled: false } })
    for (const key of [robot, spare]) await key.expect(200, 'getProfile')
  })

  test('changed scopes take effect at once, those that are new and those that are gone', async () => {
    const robot = await newRobot(['profile:read', 'usage:read'])
    await known(robot)
    const path = { serviceAccountId: robot.serviceAccountId }
    const scopes: Scope[] = ['conversations:read', 'profile:read']
    const admin = await server.admin()
    await admin.expect(200, 'changeServiceAccount', { path, body: { scopes } })
    await robot.refused('insufficient-scope', 'getUsage')
    await robot.expect(200, 'listConversations')
    expect((await robot.expect(200, 'getProfile')).body.scopes).toEqual(scopes)
    await admin.expect(200, 'changeServiceAccount', { path, body: { scopes: [] } })
    await robot.refused('insufficient-scope', 'getProfile')
  })

  test('deleting a service account takes its keys and what it owned', async () => {
    const robot = await newRobot(['profile:read', 'conversations:read', 'conversations:write'])
    await robot.expect(201, 'createConversation', { body: {} })
    await known(robot)
    const { serviceAccountId } = robot
    const admin = await server.admin()
    await admin.expect(204, 'deleteServiceAccount', { path: { serviceAccountId } })
    await robot.refused('token-invalid', 'getProfile')
    await admin.refused('not-found', 'getServiceAccount', { path: { serviceAccountId } })
    await admin.refused('not-found', 'listApiKeys', { path: { serviceAccountId } })
    const { prisma } = testStore.database
    expect(await prisma.apiKey.count({ where: { accountId: serviceAccountId } })).toBe(0)
    expect(await prisma.conversation.count({ where: { ownerId: serviceAccountId } })).toBe(0)
  })
})

describe('what a key opens', () => {
  const ofPeople = operations.filter(({ auth }) => auth === 'session')
  const ofAll = operations.filter(({ auth }) => auth !== 'session' && auth !== 'public')

  test('is every operation but those of a person; both kinds are tried here', () => {
    expect(ofPeople.map(({ operationId }) => operationId)).toContain('changePassword')
    expect(ofAll.map(({ operationId }) => operationId)).toContain('streamMessage')
  })

  test.each(ofPeople)('is not $operationId, whatever its scopes', async (operation) => {
    const robot = await newRobot(ALL_SCOPES)
    const operationId = operation.operationId as OperationId
    const { status, body } = await robot.refused('insufficient-scope', operationId, {
      ...exampleRequest(operationId),
    })
    expect([status, body.detail]).toEqual([403, 'API keys cannot call this operation.'])
  })

  test.each(ofAll)('is $operationId, with its scopes', async (operation) => {
    const robot = await newRobot(ALL_SCOPES)
    const operationId = operation.operationId as OperationId
    const url = robot.urlOf(operationId, exampleRequest(operationId))
    const { status } = await send(url, {
      method: operation.method.toUpperCase(),
      headers: { ...robot.credentials, 'Content-Type': 'application/json' },
      ...(operation.hasBody && { body: JSON.stringify(exampleBody(operation)) }),
    })
    expect([200, 201, 204, 404]).toContain(status)
  })

  test('is chat, streams, conversations, feedback, usage and an export of its own', async () => {
    const robot = await newRobot(USER_SCOPES)
    const { body: reply } = await robot.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    const { conversationId } = reply
    const stream = await openStream(robot, { message: 'Hello', conversationId })
    const events = await stream.rest()
    expect(events.at(-1)!.name).toBe('message.end')
    expect(textOf(events)).not.toBe('')
    const { body: conversation } = await robot.expect(200, 'getConversation', {
      path: { conversationId },
    })
    expect(conversation.messageCount).toBe(4)
    const messageId = reply.message.id
    await robot.expect(200, 'giveFeedback', { body: { messageId, rating: 'up' } })
    await clock.advance(1)
    expect((await robot.expect(200, 'getUsage')).body.totals.messages).toBe(2)
    const { text } = await send(robot.urlOf('exportAccount'), { headers: robot.credentials })
    const types = text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type)
    expect(types).toEqual([
      'profile',
      'conversation',
      'message',
      'message',
      'message',
      'message',
      'feedback',
      'usage',
      'usage',
      'audit-event',
      'end',
    ])
    await (
      await server.newUser()
    ).refused('not-found', 'getConversation', {
      path: { conversationId },
    })
  })

  test('shows in its profile: a service, without an email, with its scopes', async () => {
    const robot = await newRobot(['profile:read', 'usage:read'])
    const { body } = await robot.expect(200, 'getProfile')
    expect(body).toMatchObject({
      id: robot.serviceAccountId,
      role: 'service',
      displayName: 'Robot',
      scopes: ['profile:read', 'usage:read'],
    })
    expect(body).not.toHaveProperty('email')
  })
})

describe('a known key', () => {
  test('costs no question to the database', async () => {
    const robot = await newRobot()
    await robot.expect(200, 'getProfile')
    const asked = await watched.during(async () => {
      for (let i = 0; i < 5; i += 1) await robot.refused('insufficient-scope', 'listUsers')
    })
    // What was just changed is read anew as long as the clock stands still.
    expect(asked).toEqual([])
  })

  test('is read anew after five minutes, although nobody said that it changed', async () => {
    const robot = await newRobot()
    await robot.expect(200, 'getProfile')
    await testStore.database.prisma.apiKey.update({
      where: { id: robot.apiKeyId },
      data: { revokedAt: clock.now() },
    })
    await clock.advance(5 * MINUTE_MS)
    await robot.expect(200, 'getProfile')
    await clock.advance(1)
    await robot.refused('token-invalid', 'getProfile')
  }, 60_000)

  test('tells when it was last used, within a minute', async () => {
    const robot = await newRobot()
    expect((await keysOf(robot))[0]).not.toHaveProperty('lastUsedAt')
    await robot.expect(200, 'getProfile')
    await clock.advance(SECOND_MS)
    await robot.expect(200, 'getProfile')
    const lastUsedAt = clock.now().toISOString()
    await clock.advance(30 * SECOND_MS)
    const [key] = await until(async () => {
      const keys = await keysOf(robot)
      return keys[0]!.lastUsedAt !== undefined && keys
    })
    expect(key!.lastUsedAt).toBe(lastUsedAt)
  })

  test('is not used by what is refused: an expired key keeps its last use', async () => {
    const robot = await newRobot()
    const { id, secret } = await newKey(robot, { expiresAt: inSeconds(60) })
    clock.jump(60 * SECOND_MS)
    await withKey(secret).refused('token-expired', 'getProfile')
    await server.parley.services.credentials.writeUses()
    const key = (await keysOf(robot)).find((one) => one.id === id)
    expect(key).not.toHaveProperty('lastUsedAt')
  })
})

describe('the limits of a key', () => {
  let small: TestServer
  beforeAll(async () => {
    small = await startServer({
      env: { RATE_LIMIT_USER: '6/3600', RATE_LIMIT_SIGN_IN_ADDRESS: '3/900' },
    })
  })
  afterAll(() => small.close())

  test('are its own, and not those of the administrator who made it', async () => {
    const robot = await newServiceAccount(small, ['profile:read'])
    for (let left = 5; left >= 0; left -= 1) {
      const { headers } = await robot.expect(200, 'getProfile')
      expect(headers['ratelimit']).toMatch(new RegExp(`^"user";r=${String(left)};`))
    }
    const { body } = await robot.refused('quota-exceeded', 'getProfile')
    expect(body.violatedPolicies).toEqual(['user'])
    await (await small.admin()).expect(200, 'getProfile')
  })

  test('of failures never keep a right key out, however many wrong ones its address has shown', async () => {
    const robot = await newServiceAccount(small, ['profile:read'])
    for (let i = 0; i < 5; i += 1) {
      const forged = createClient(small.url, { apiKey: forge('000000000000') })
      await forged.refused('token-invalid', 'getProfile')
    }
    await robot.expect(200, 'getProfile')
  })
})
