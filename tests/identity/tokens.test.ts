import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  KeyObject,
  randomUUID,
  sign as signBytes,
} from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  newSigningKeysText,
  parseSigningKeys,
  type SigningKeys,
} from '../../src/ports/keys/signing-keys.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { JumpingClock, MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { send, sendBytes, type WireAnswer } from '../support/wire/wire.ts'

const TTL = 900
const CHALLENGE = 'Bearer realm="parley", error="invalid_token", error_description='
const DESCRIPTIONS = {
  'token-invalid': 'The token or API key is not valid.',
  'token-expired': 'The token or API key has expired.',
}

let testStore: TestStore
let clock: JumpingClock
let server: TestServer
let alice: Client
let subject: string
let strangers: SigningKeys
/** What was presented, and the requests that it came in: no line of the log may hold any of it. */
const presented = new Set<string>()
const requestIds: string[] = []

beforeAll(async () => {
  testStore = await openTestStore()
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock })
  strangers = await parseSigningKeys(await newSigningKeysText(), 'the keys of strangers')
  alice = await server.newUser()
  subject = (await alice.expect(200, 'getProfile')).body.id
})
afterAll(async () => {
  // The last word on every test above: each request has its line, and nothing of its credential.
  const ids = () => new Set(server.logged().map(({ requestId }) => requestId))
  await until(() => requestIds.every((id) => ids().has(id)))
  const log = JSON.stringify(server.logged())
  expect([...presented].filter((secret) => log.includes(secret))).toEqual([])
  await server.close()
  await testStore.close()
})

/** Asks for the profile with these header lines, byte by byte. */
async function ask(lines: readonly string[], url = server.url): Promise<WireAnswer> {
  const { pathname } = new URL(alice.urlOf('getProfile'))
  const head = [`GET ${pathname} HTTP/1.1`, 'Host: parley', 'Connection: close', ...lines]
  const answer = await sendBytes(url, Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'))
  for (const part of lines.join(' ').split(/[^A-Za-z0-9_-]/)) {
    // Whose call it was is in the log on purpose.
    if (part.length > 20 && part !== subject) presented.add(part)
  }
  if (answer.status === 401 && url === server.url) requestIds.push(answer.headers['x-request-id']!)
  return answer
}

function expectRefused(answer: WireAnswer, code: keyof typeof DESCRIPTIONS = 'token-invalid') {
  expect([answer.status, answer.problem().code]).toEqual([401, code])
  expect(answer.headers).toMatchObject({
    'www-authenticate': `${CHALLENGE}"${DESCRIPTIONS[code]}"`,
    'cache-control': 'no-store',
  })
}

const bearer = (token: string) => ask([`Authorization: Bearer ${token}`])

async function expectTokenRefused(token: string, code?: keyof typeof DESCRIPTIONS) {
  expectRefused(await bearer(token), code)
}

const seconds = () => Math.floor(clock.now().getTime() / 1000)
const encode = (text: string | Buffer) => Buffer.from(text).toString('base64url')

const rightHeader = () => ({
  alg: 'EdDSA',
  typ: 'at+jwt',
  kid: server.parley.deps.keys.signing.kid,
})

const rightClaims = () => ({
  iss: 'parley',
  aud: 'parley-api',
  sub: subject,
  sid: alice.identity.sessionId,
  jti: randomUUID(),
  scope: 'profile:read',
  iat: seconds(),
  exp: seconds() + TTL,
})

type Members = Record<string, unknown>

/** Signs any text at all as a payload, by default with the server's own key. */
function signText(payload: string, header: Members, keys = server.parley.deps.keys): string {
  const input = `${encode(JSON.stringify(header))}.${encode(payload)}`
  const key = KeyObject.from(keys.signing.privateKey)
  return `${input}.${encode(signBytes(null, Buffer.from(input), key))}`
}

/** A token with everything right but what is given. A member that is undefined is left out. */
function forge(claims: Members, header: Members = {}, keys?: SigningKeys): string {
  const payload = JSON.stringify({ ...rightClaims(), ...claims })
  return signText(payload, { ...rightHeader(), ...header }, keys)
}

/** The same with a claim written as this JSON, for numbers that no program would write. */
function forgeWith(claim: string, json: string): string {
  const payload = JSON.stringify({ ...rightClaims(), [claim]: '@' }).replace('"@"', json)
  return signText(payload, rightHeader())
}

test('a token made by hand with everything right is taken, so the refusals below mean something', async () => {
  expect((await bearer(forge({}))).status).toBe(200)
  expect((await bearer(forgeWith('exp', String(seconds() + 60)))).status).toBe(200)
})

describe('a signature that is not ours', () => {
  test('is refused: none at all, in any spelling of "none"', async () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, undefined]) {
      const [, payload = '', signature = ''] = forge({}).split('.')
      const header = encode(JSON.stringify({ ...rightHeader(), alg }))
      for (const end of ['', signature, 'A'.repeat(86)]) {
        await expectTokenRefused(`${header}.${payload}.${end}`)
      }
    }
  })

  test('is refused: an HMAC whose secret is the public key as anybody can fetch it', async () => {
    const published = await (await fetch(`${server.url}/.well-known/jwks.json`)).text()
    const [jwk] = server.parley.deps.keys.publicJwks().keys
    const publicKey = createPublicKey({ key: jwk as never, format: 'jwk' })
    const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
    const bytes = Buffer.from(jwk!.x!, 'base64url')
    const der = publicKey.export({ type: 'spki', format: 'der' })
    const secrets = [bytes, der, pem, pem.trim(), jwk!.x!, JSON.stringify(jwk), published]
    for (const [alg, digest] of [
      ['HS256', 'sha256'],
      // As long as our own signatures.
      ['HS512', 'sha512'],
    ] as const) {
      const header = encode(JSON.stringify({ ...rightHeader(), alg }))
      const input = `${header}.${encode(JSON.stringify(rightClaims()))}`
      for (const secret of secrets) {
        const mac = createHmac(digest, secret).update(input).digest('base64url')
        await expectTokenRefused(`${input}.${mac}`)
      }
    }
  })

  test('is refused: another algorithm under our kid, or ours under another name', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const header = encode(JSON.stringify({ ...rightHeader(), alg: 'ES256' }))
    const input = `${header}.${encode(JSON.stringify(rightClaims()))}`
    const key = { key: privateKey, dsaEncoding: 'ieee-p1363' as const }
    await expectTokenRefused(`${input}.${encode(signBytes('sha256', Buffer.from(input), key))}`)
    for (const alg of ['Ed25519', 'eddsa', 'HS256', ['EdDSA'], { alg: 'EdDSA' }, 1]) {
      await expectTokenRefused(forge({}, { alg }))
    }
  })

  test('is refused: a stranger’s, whatever way of finding the key its header offers', async () => {
    const [jwk] = strangers.publicJwks().keys
    const offers = [
      {},
      { jwk },
      { jwk: { ...jwk, kid: rightHeader().kid } },
      { jku: 'https://evil.test/jwks.json' },
      { jku: `${server.url}/.well-known/jwks.json` },
      { x5u: 'https://evil.test/chain.pem' },
      { x5c: [Buffer.from(jwk!.x!, 'base64url').toString('base64')] },
    ]
    for (const kid of [rightHeader().kid, strangers.signing.kid, undefined]) {
      for (const offer of offers) await expectTokenRefused(forge({}, { kid, ...offer }, strangers))
    }
  })

  test('is refused: that of another installation, both ways, though they share the accounts', async () => {
    const instead = { deps: { keys: strangers } }
    const other = await startServer({ testStore, clock, instead })
    const { email, password } = alice.identity
    const { body } = await other.anybody.expect(200, 'logIn', { body: { email, password } })
    expect((await ask([`Authorization: Bearer ${body.accessToken}`], other.url)).status).toBe(200)
    await expectTokenRefused(body.accessToken)
    expectRefused(await ask([`Authorization: Bearer ${forge({})}`], other.url))
    await other.close()
  })
})

describe('a header that is not ours, though our key signed it', () => {
  test.each<[string, Members]>([
    ['no kid', { kid: undefined }],
    ['an unknown kid', { kid: 'nobody' }],
    ['an empty kid', { kid: '' }],
    ['a kid that is a path', { kid: '../../../../dev/null' }],
    ['a kid that is a number', { kid: 0 }],
    ['a kid that is a list', { kid: ['nobody'] }],
    ['a kid that every object has', { kid: 'constructor' }],
    ['no type', { typ: undefined }],
    ['the type of an identity token', { typ: 'JWT' }],
    ['the type of a logout token', { typ: 'logout+jwt' }],
    ['a type that is a list', { typ: ['at+jwt'] }],
    ['a critical extension that nobody knows', { crit: ['urn:x'], 'urn:x': true }],
    ['a critical claim', { crit: ['exp'], exp: 1 }],
    ['an empty list of critical extensions', { crit: [] }],
    ['a critical extension that is not there', { crit: ['b64'] }],
    ['critical extensions that are no list', { crit: 'b64', b64: true }],
    ['a payload that is said to be unencoded', { crit: ['b64'], b64: false }],
  ])('is refused: %s', async (_, header) => {
    await expectTokenRefused(forge({}, header))
  })

  test('is refused: a payload that is unencoded (RFC 7797)', async () => {
    const header = encode(JSON.stringify({ ...rightHeader(), crit: ['b64'], b64: false }))
    const input = `${header}.${encode(JSON.stringify(rightClaims())).replaceAll('.', '')}`
    const key = KeyObject.from(server.parley.deps.keys.signing.privateKey)
    await expectTokenRefused(`${input}.${encode(signBytes(null, Buffer.from(input), key))}`)
  })

  test.each(['[]', 'null', '42', '"EdDSA"', '{', '', '\u0000'])(
    'is refused: %j in the place of an object',
    async (text) => {
      const [, payload = '', signature = ''] = forge({}).split('.')
      await expectTokenRefused(`${encode(text)}.${payload}.${signature}`)
    },
  )
})

describe('claims that are not ours, though our key signed them', () => {
  test.each(['iss', 'aud', 'sub', 'sid', 'jti', 'scope', 'iat', 'exp'])(
    'are refused: no %s, or null, a list, an object or a number that makes no sense in its place',
    async (claim) => {
      for (const value of [undefined, null, [], {}, true, '', -0.5]) {
        // A token without any scope is well-formed.
        if (claim === 'scope' && value === '') continue
        const answer = await bearer(forge({ [claim]: value }))
        const { code } = answer.problem()
        expectRefused(answer, code === 'token-expired' ? code : 'token-invalid')
        // Only a time that lies in the past has expired.
        if (value !== -0.5) expect(code).toBe('token-invalid')
      }
    },
  )

  test.each<[string, Members]>([
    ['another issuer', { iss: 'https://evil.test' }],
    ['an issuer in capitals', { iss: 'Parley' }],
    ['a list of issuers with ours', { iss: ['parley'] }],
    ['another audience', { aud: 'https://evil.test' }],
    ['a list of other audiences', { aud: ['parley', 'parley-api/'] }],
    ['a numeric subject', { sub: 42 }],
    ['a list of subjects', { sub: ['0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10'] }],
    ['a subject that is no id', { sub: 'admin' }],
    ['a subject that is SQL', { sub: "' OR 1=1 --" }],
    ['a role that nobody has', { role: 'root' }],
    ['a role that is a list', { role: ['admin'] }],
    ['a list of scopes', { scope: ['profile:read'] }],
    ['scopes on two lines', { scope: 'profile:read\nchat:write' }],
  ])('are refused: %s', async (_, claims) => {
    await expectTokenRefused(forge(claims))
  })

  test.each(['[]', 'null', '42', '"text"', '', '{', '{"sub":'])(
    'are refused: %j in the place of an object',
    async (payload) => {
      await expectTokenRefused(signText(payload, rightHeader()))
    },
  )

  test.each([
    ['exp', '1e308'],
    ['exp', '1e999'],
    ['exp', '"9999999999"'],
    ['exp', '9999999999.5'],
    ['exp', '9007199254740993'],
    ['nbf', '9999999999'],
    ['nbf', '"0"'],
    ['nbf', '1e308'],
    ['iat', '9999999999'],
    ['iat', '1e308'],
    ['iat', '"0"'],
  ])('are refused as invalid: %s of %s', async (claim, json) => {
    await expectTokenRefused(forgeWith(claim, json))
  })

  test.each([
    ['exp', '0'],
    ['exp', '-1'],
    ['exp', '-1e308'],
    ['exp', '1e-308'],
    ['iat', '0'],
    ['iat', '-1'],
    ['iat', '-1e308'],
  ])('are refused as expired: %s of %s', async (claim, json) => {
    await expectTokenRefused(forgeWith(claim, json), 'token-expired')
  })

  test('buy no time: a token for ten years ends when tokens end', async () => {
    const token = forge({ exp: seconds() + 10 * 365 * 86_400 })
    expect((await bearer(token)).status).toBe(200)
    clock.jump(TTL * SECOND_MS + 5 * SECOND_MS)
    await expectTokenRefused(token, 'token-expired')
  })

  test('do not bring an ended session back, whichever of its tokens is shown', async () => {
    const bob = await server.newUser()
    const sub = (await bob.expect(200, 'getProfile')).body.id
    const sid = bob.identity.sessionId
    const another = forge({ sub, sid })
    expect((await bearer(another)).status).toBe(200)
    await bob.expect(204, 'logOut', { body: { scope: 'current' } })
    await expectTokenRefused(bob.identity.accessToken)
    await expectTokenRefused(another)
    await expectTokenRefused(forge({ sub, sid }))
  })
})

describe('another spelling', () => {
  test('of the same signature is refused, and the right one goes on', async () => {
    const token = forge({})
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = Buffer.from(token.split('.')[2]!, 'base64url')
    const twins = [...alphabet]
      .map((letter) => token.slice(0, -1) + letter)
      .filter((twin) => twin !== token)
      .filter((twin) => Buffer.from(twin.split('.')[2]!, 'base64url').equals(last))
    expect(twins).toHaveLength(15)
    for (const twin of twins) await expectTokenRefused(twin)
    expect((await bearer(token)).status).toBe(200)
    for (const twin of twins) await expectTokenRefused(twin)
  })

  test('of the token is refused: parts more or fewer, padding, base64, white space, encodings', async () => {
    const token = forge({})
    const [header = '', payload = '', signature = ''] = token.split('.')
    const base64 = Buffer.from(signature, 'base64url').toString('base64')
    const spellings = [
      `${token}.`,
      `.${token}`,
      `${token}.${signature}`,
      `${header}.${payload}`,
      `${header}..${signature}`,
      `.${payload}.${signature}`,
      `${header}.${payload}.`,
      `${token}=`,
      `${token}==`,
      `${header}=.${payload}=.${signature}`,
      `${header}.${payload}.${base64}`,
      `${header} .${payload}.${signature}`,
      `${header}.\t${payload}.${signature}`,
      `${header}.${payload}.\u00a0${signature}`,
      `\u00ef\u00bb\u00bf${token}`,
      encodeURIComponent(token).replaceAll('.', '%2E'),
      `"${token}"`,
      `<${token}>`,
      encode(token),
      token.toLowerCase(),
      token.toUpperCase(),
      [...token].reverse().join(''),
      `${token}\u00ff`,
    ]
    for (const spelling of spellings) await expectTokenRefused(spelling)
  })
})

describe('another secret of the same person', () => {
  test('is no access token: a refresh token, an email and password, the ids in clear', async () => {
    const { email, password, refreshToken, sessionId } = alice.identity
    for (const secret of [refreshToken, sessionId, subject, encode(`${email}:${password}`)]) {
      await expectTokenRefused(secret)
    }
  })

  test('is looked for in one place: not in the address, a cookie or another header', async () => {
    const token = forge({})
    const places = [
      `Cookie: access_token=${token}`,
      `Proxy-Authorization: Bearer ${token}`,
      `X-Authorization: Bearer ${token}`,
    ]
    for (const line of places) {
      const answer = await ask([line])
      expect([answer.status, answer.problem().code]).toEqual([401, 'unauthenticated'])
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="parley"')
    }
    const answer = await send(`${alice.urlOf('getProfile')}?access_token=${token}`)
    expect([answer.status, answer.problem().code]).toEqual([401, 'unauthenticated'])
    expect(answer.text).not.toContain(token)
  })
})

describe('the header', () => {
  test.each<[string, (token: string) => string]>([
    ['nothing', () => ''],
    ['Bearer alone', () => 'Bearer'],
    ['Bearer and a space', () => 'Bearer '],
    ['the token alone', (token) => token],
    ['Basic with the token', (token) => `Basic ${token}`],
    ['Basic with a password', () => `Basic ${encode('ada@example.com:a password of mine')}`],
    ['Digest', () => 'Digest username="ada", nonce="x", response="y"'],
    ['a tab for a space', (token) => `Bearer\t${token}`],
    ['a space and a tab', (token) => `Bearer \t${token}`],
    ['no space', (token) => `Bearer${token}`],
    ['a colon', (token) => `Bearer: ${token}`],
    ['an equals sign', (token) => `Bearer=${token}`],
    ['Bearer twice', (token) => `Bearer Bearer ${token}`],
    ['two tokens', (token) => `Bearer ${token} ${token}`],
    ['two tokens and a comma', (token) => `Bearer ${token}, Bearer ${token}`],
    ['two tokens and a bare comma', (token) => `Bearer ${token},${token}`],
    ['a parameter', (token) => `Bearer ${token}; charset=utf-8`],
    ['a named token', (token) => `Bearer token="${token}"`],
    ['a wide letter in the scheme', (token) => `B\u00e9arer ${token}`],
  ])('that holds %s is refused', async (_, valueOf) => {
    expectRefused(await ask([`Authorization: ${valueOf(forge({}))}`]))
  })

  test('may write the scheme in any case, and have white space around its value (RFC 9110 5.5)', async () => {
    const token = forge({})
    const values = [`bearer ${token}`, `BEARER  ${token}`, `  Bearer ${token} \t`]
    for (const value of values) expect((await ask([`Authorization:${value}`])).status).toBe(200)
  })

  test('twice is nobody’s credential, whichever of the two is right', async () => {
    const [junk, right] = ['Authorization: Bearer junk', `Authorization: Bearer ${forge({})}`]
    const basic = 'Authorization: Basic YWRhOmFkYQ=='
    const both = [junk, basic, 'Authorization:'].flatMap((other) => [
      [other, right],
      [right, other],
    ])
    for (const lines of both) {
      const answer = await ask(lines)
      expect([answer.status, answer.problem().code]).toEqual([401, 'token-invalid'])
      expect(answer.headers['www-authenticate']).toContain('error="invalid_token"')
      expect(answer.problem().detail).toBe('Send exactly one credential.')
    }
  })

  test('that goes on in the next line, or holds a control character, is never a failure of ours', async () => {
    const token = forge({})
    const odd = [
      [`Authorization: Bearer`, ` ${token}`],
      [`Authorization: Bearer ${token}`, ' junk'],
      [`Authorization: Bearer ${token}\u0000`],
      [`Authorization: Bearer ${token}\u0001`],
      [`Authorization: Bearer ${token}\u007f`],
      [`Authorization: Bearer ${token}\nX: y`],
      [`Authorization : Bearer ${token}`],
    ]
    for (const lines of odd) {
      const answer = await ask(lines)
      expect([400, 401]).toContain(answer.status)
      expect(['invalid-request', 'token-invalid']).toContain(answer.problem().code)
    }
  })

  test('that is long is 401 as long as it can be read, and 431 beyond 16 kB', async () => {
    for (const length of [4_097, 8_000, 15_000]) {
      expectRefused(await bearer('a'.repeat(length)))
      expectRefused(await bearer(`${encode('{}')}.${'a'.repeat(length)}.${'A'.repeat(86)}`))
    }
    for (const length of [16_384, 100_000]) {
      const answer = await bearer('a'.repeat(length))
      expect([answer.status, answer.problem().code]).toEqual([431, 'headers-too-large'])
    }
    const many = Array.from({ length: 200 }, (_, i) => `X-Junk-${i}: ${'a'.repeat(100)}`)
    const answer = await ask([`Authorization: Bearer ${forge({})}`, ...many])
    expect([answer.status, answer.problem().code]).toEqual([431, 'headers-too-large'])
  })

  test('with a long claim is refused, though our key signed it: no token of ours is that long', async () => {
    await expectTokenRefused(forge({ scope: 'x'.repeat(4_096) }))
  })

  test('is not looked at where no credential is needed: a stale one does not keep anyone out', async () => {
    const bob = await server.newUser()
    const { email, password, refreshToken } = bob.identity
    clock.jump(16 * MINUTE_MS)
    for (const authorization of [bob.credentials['Authorization']!, 'Bearer junk', 'Basic x']) {
      const headers = { Authorization: authorization }
      await server.anybody.expect(200, 'refreshTokens', { headers, body: { refreshToken } })
      await server.anybody.expect(200, 'logIn', { headers, body: { email, password } })
    }
  })
})
