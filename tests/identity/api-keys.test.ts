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
  listKeys,
  createKey,
  newServiceAccount,
  rotate,
  server,
  testStore,
  watched,
  clientWithKey,
} from './api-keys.given.ts'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** The length of `parley_live_`, the id and the underscore after it. */
const SECRET_STARTS_AT = 25

/** Returns the six digits of base 62 that the contract describes. */
function checksumOf(text: string): string {
  let rest = BigInt(crc32(text))
  let digits = ''
  while (digits.length < 6) {
    digits = DIGITS[Number(rest % 62n)]! + digits
    rest /= 62n
  }
  return digits
}

/** Returns a well-formed key that does not exist. */
function forge(publicId: string): string {
  const body = `parley_live_${publicId}_${'7'.repeat(43)}`
  return body + checksumOf(body)
}

describe('the secret of an API key', () => {
  test('consists of letters and digits, with an id in the clear and a CRC-32 at the end', async () => {
    const { secret } = await newServiceAccount()

    expect(secret).toMatch(/^parley_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/)
    expect(secret.slice(-6)).toBe(checksumOf(secret.slice(0, -6)))
  })

  test('is shown once: lists and logs hold only its id, and the database holds a hash', async () => {
    const robot = await newServiceAccount()
    const successor = await rotate(robot, robot.apiKeyId, 60)
    await robot.expect(200, 'getProfile')
    await robot.refused('insufficient-scope', 'listUsers')
    await clientWithKey(`${robot.secret}x`).refused('token-invalid', 'getProfile')
    await send(`${server.url}/api/v1/users/profile?key=${robot.secret}`)

    const admin = await server.admin()
    const seen = JSON.stringify([
      await listKeys(robot),
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

  test('differs for each key', async () => {
    const robot = await newServiceAccount()

    const secrets = [robot.secret, (await createKey(robot)).secret, (await createKey(robot)).secret]

    expect(new Set(secrets.map((secret) => secret.slice(SECRET_STARTS_AT))).size).toBe(3)
  })
})

describe('an invalid API key', () => {
  /** Returns malformed variants of the key. */
  const spoil = (secret: string): [string, string][] => {
    const last = secret.at(-1) === 'A' ? 'B' : 'A'
    const middle = secret[40] === 'A' ? 'B' : 'A'
    return [
      ['another checksum', secret.slice(0, -1) + last],
      ['another secret under its checksum', secret.slice(0, 40) + middle + secret.slice(41)],
      ['without its last character', secret.slice(0, -1)],
      ['with another character at the end', `${secret}0`],
      ['the prefix and the id alone', secret.slice(0, SECRET_STARTS_AT - 1)],
      ['the prefix alone', 'parley_live_'],
      ['in capitals', `parley_live_${secret.slice(12).toUpperCase()}`],
      ['with a character that is no letter or digit', `${secret.slice(0, 30)}-${secret.slice(31)}`],
      ['with 10 kB', secret + 'A'.repeat(10_000)],
    ]
  }

  test('is refused without a query when it is malformed, in either header', async () => {
    const { secret } = await newServiceAccount()

    for (const [what, junk] of spoil(secret)) {
      const queries = await watched.during(async () => {
        await clientWithKey(junk).refused('token-invalid', 'getProfile')
        const headers = { Authorization: `Bearer ${junk}` }
        await server.anonymous.refused('token-invalid', 'getProfile', { headers })
      })
      expect([what, queries]).toEqual([what, []])
    }
  })

  test('is refused after one query when it is well-formed: an unknown id, or another secret', async () => {
    const { secret } = await newServiceAccount()

    for (const publicId of ['000000000000', secret.slice(12, 24)]) {
      const queries = await watched.during(async () => {
        const { headers } = await clientWithKey(forge(publicId)).refused(
          'token-invalid',
          'getProfile',
        )
        expect(headers['www-authenticate']).toContain('error="invalid_token"')
      })
      expect(queries).toEqual(['apiKeys.findHeld'])
    }

    await clientWithKey(secret).expect(200, 'getProfile')
  })

  test('is refused with 431 when it has 100 kB, in either header', async () => {
    const { secret } = await newServiceAccount()
    const huge = secret + 'A'.repeat(100_000)
    const { url } = server

    for (const headers of [{ 'X-API-Key': huge }, { Authorization: `Bearer ${huge}` }]) {
      const response = await send(`${url}/api/v1/users/profile`, { headers })
      expect([response.status, response.problem().code]).toEqual([431, 'headers-too-large'])
    }
  })
})

describe('the header of an API key', () => {
  test('is X-API-Key, or Authorization with the scheme in any case', async () => {
    const robot = await newServiceAccount()
    await robot.expect(200, 'getProfile')
    for (const scheme of ['Bearer', 'bearer', 'BEARER ']) {
      const headers = { Authorization: `${scheme} ${robot.secret}` }
      await server.anonymous.expect(200, 'getProfile', { headers })
    }
  })

  test('is refused with an access token in X-API-Key, or with a key under another scheme', async () => {
    const [alice, robot] = [await server.createUser(), await newServiceAccount()]
    const { accessToken } = alice.identity

    await clientWithKey(accessToken).refused('token-invalid', 'getProfile')
    for (const Authorization of [robot.secret, `Basic ${robot.secret}`, `ApiKey ${robot.secret}`]) {
      const headers = { Authorization }
      await server.anonymous.refused('token-invalid', 'getProfile', { headers })
    }
  })

  test('is refused beside a second credential, even if both are valid', async () => {
    const [alice, robot] = [await server.createUser(), await newServiceAccount()]

    for (const credential of [alice.identity.accessToken, robot.secret]) {
      const headers = { Authorization: `Bearer ${credential}` }
      const { body } = await robot.refused('token-invalid', 'getProfile', { headers })
      expect(body.detail).toBe('Send exactly one credential.')
    }
  })

  test('is refused when it occurs twice, with the same credential or another', async () => {
    const [alice, robot] = [await server.createUser(), await newServiceAccount()]
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
      const response = await sendBytes(server.url, `${[...head, ...lines].join('\r\n')}\r\n\r\n`)
      expect([response.status, response.problem().code]).toEqual([401, 'token-invalid'])
    }
  })
})

describe('an API key that was used before', () => {
  test('is checked without a query', async () => {
    const robot = await newServiceAccount()
    await robot.expect(200, 'getProfile')

    const queries = await watched.during(async () => {
      for (let i = 0; i < 5; i += 1) await robot.refused('insufficient-scope', 'listUsers')
    })

    expect(queries).toEqual([])
  })

  test('is read again after five minutes, without notice of a change', async () => {
    const robot = await newServiceAccount()
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

  test('shows the time of its last use within a minute', async () => {
    const robot = await newServiceAccount()
    expect((await listKeys(robot))[0]).not.toHaveProperty('lastUsedAt')
    await robot.expect(200, 'getProfile')
    await clock.advance(SECOND_MS)
    await robot.expect(200, 'getProfile')
    const lastUsedAt = clock.now().toISOString()

    await clock.advance(30 * SECOND_MS)
    const [key] = await until(async () => {
      const keys = await listKeys(robot)
      return keys[0]!.lastUsedAt !== undefined && keys
    })

    expect(key!.lastUsedAt).toBe(lastUsedAt)
  })

  test('counts no use when it is refused as expired', async () => {
    const robot = await newServiceAccount()
    const { id, secret } = await createKey(robot, { expiresAt: inSeconds(60) })
    clock.jump(60 * SECOND_MS)

    await clientWithKey(secret).refused('token-expired', 'getProfile')
    await server.parley.services.credentials.writeUses()
    const key = (await listKeys(robot)).find((one) => one.id === id)

    expect(key).not.toHaveProperty('lastUsedAt')
  })
})

describe('the rate limits of an API key', () => {
  let small: TestServer
  beforeAll(async () => {
    small = await startServer({
      env: { RATE_LIMIT_USER: '6/3600', RATE_LIMIT_SIGN_IN_ADDRESS: '3/900' },
    })
  })
  afterAll(() => small.close())

  test('are separate from those of the administrator who created it', async () => {
    const robot = await createServiceAccount(small, ['profile:read'])

    for (let left = 5; left >= 0; left -= 1) {
      const { headers } = await robot.expect(200, 'getProfile')
      expect(headers['ratelimit']).toMatch(new RegExp(`^"user";r=${String(left)};`))
    }

    const { body } = await robot.refused('quota-exceeded', 'getProfile')
    expect(body.violatedPolicies).toEqual(['user'])
    await (await small.admin()).expect(200, 'getProfile')
  })

  test('never refuse a valid key because of the invalid keys from its address', async () => {
    const robot = await createServiceAccount(small, ['profile:read'])

    for (let i = 0; i < 5; i += 1) {
      const forged = createClient(small.url, { apiKey: forge('000000000000') })
      await forged.refused('token-invalid', 'getProfile')
    }

    await robot.expect(200, 'getProfile')
  })
})
