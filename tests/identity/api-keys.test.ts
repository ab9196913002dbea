import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../support/client.ts'
import { MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createServiceAccount } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'
import { send, sendBytes } from '../support/wire/wire.ts'
import {
  clock,
  inSeconds,
  keysOf,
  newKey,
  newRobot,
  rotated,
  server,
  testStore,
  watched,
  withKey,
} from './api-keys.given.ts'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** `parley_live_`, the id and what divides it from the secret. */
const SECRET_STARTS_AT = 25

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
      server.logLines(),
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
        await server.anonymous.refused('token-invalid', 'getProfile', { headers })
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
    const [alice, robot] = [await server.createUser(), await newRobot()]
    const { accessToken } = alice.identity
    await withKey(accessToken).refused('token-invalid', 'getProfile')
    for (const Authorization of [robot.secret, `Basic ${robot.secret}`, `ApiKey ${robot.secret}`]) {
      const headers = { Authorization }
      await server.anonymous.refused('token-invalid', 'getProfile', { headers })
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
      await server.anonymous.expect(200, 'getProfile', { headers })
    }
  })

  test('is one: two credentials are refused though both are right', async () => {
    const [alice, robot] = [await server.createUser(), await newRobot()]
    for (const credential of [alice.identity.accessToken, robot.secret]) {
      const headers = { Authorization: `Bearer ${credential}` }
      const { body } = await robot.refused('token-invalid', 'getProfile', { headers })
      expect(body.detail).toBe('Send exactly one credential.')
    }
  })

  test('is one: a header that is there twice is refused, the same or another', async () => {
    const [alice, robot] = [await server.createUser(), await newRobot()]
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
    const robot = await createServiceAccount(small, ['profile:read'])
    for (let left = 5; left >= 0; left -= 1) {
      const { headers } = await robot.expect(200, 'getProfile')
      expect(headers['ratelimit']).toMatch(new RegExp(`^"user";r=${String(left)};`))
    }
    const { body } = await robot.refused('quota-exceeded', 'getProfile')
    expect(body.violatedPolicies).toEqual(['user'])

    await (await small.admin()).expect(200, 'getProfile')
  })

  test('of failures never keep a right key out, however many wrong ones its address has shown', async () => {
    const robot = await createServiceAccount(small, ['profile:read'])
    for (let i = 0; i < 5; i += 1) {
      const forged = createClient(small.url, { apiKey: forge('000000000000') })
      await forged.refused('token-invalid', 'getProfile')
    }
    await robot.expect(200, 'getProfile')
  })
})
