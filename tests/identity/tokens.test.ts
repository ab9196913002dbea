import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  KeyObject,
  sign as signBytes,
} from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { startServer } from '../support/server.ts'
import {
  type Members,
  alice,
  ask,
  bearer,
  clock,
  encode,
  expectRefused,
  expectTokenRefused,
  forge,
  forgeWith,
  rightClaims,
  rightHeader,
  seconds,
  server,
  strangers,
  testStore,
} from './tokens.given.ts'

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
    const other = await startServer({ testStore, clock, replacements: instead })
    const { email, password } = alice.identity
    const { body } = await other.anonymous.expect(200, 'logIn', { body: { email, password } })
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
