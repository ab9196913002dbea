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
  requestProfile,
  requestWithToken,
  clock,
  encode,
  expectRefused,
  expectTokenRefused,
  forge,
  forgeWith,
  validClaims,
  validHeader,
  nowSeconds,
  server,
  foreignKeys,
  testStore,
} from './tokens.given.ts'

describe('a valid token that the test signs with the key of the server', () => {
  // Otherwise the refusals below would prove nothing.
  test('is accepted', async () => {
    expect((await requestWithToken(forge({}))).status).toBe(200)
    expect((await requestWithToken(forgeWith('exp', String(nowSeconds() + 60)))).status).toBe(200)
  })
})

describe('a token with an invalid signature', () => {
  test('is refused with the algorithm "none", in any spelling', async () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, undefined]) {
      const [, payload = '', signature = ''] = forge({}).split('.')
      const header = encode(JSON.stringify({ ...validHeader(), alg }))
      for (const end of ['', signature, 'A'.repeat(86)]) {
        await expectTokenRefused(`${header}.${payload}.${end}`)
      }
    }
  })

  test('is refused with an HMAC whose secret is the public key', async () => {
    const published = await (await fetch(`${server.url}/.well-known/jwks.json`)).text()
    const [jwk] = server.parley.deps.keys.publicJwks().keys
    const publicKey = createPublicKey({ key: jwk as never, format: 'jwk' })
    const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
    const bytes = Buffer.from(jwk!.x!, 'base64url')
    const der = publicKey.export({ type: 'spki', format: 'der' })
    const secrets = [bytes, der, pem, pem.trim(), jwk!.x!, JSON.stringify(jwk), published]

    for (const [alg, digest] of [
      ['HS256', 'sha256'],
      // Its signatures are as long as those of the server.
      ['HS512', 'sha512'],
    ] as const) {
      const header = encode(JSON.stringify({ ...validHeader(), alg }))
      const input = `${header}.${encode(JSON.stringify(validClaims()))}`
      for (const secret of secrets) {
        const mac = createHmac(digest, secret).update(input).digest('base64url')
        await expectTokenRefused(`${input}.${mac}`)
      }
    }
  })

  test('is refused with another algorithm under the kid of the server, or its own under another name', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const header = encode(JSON.stringify({ ...validHeader(), alg: 'ES256' }))
    const input = `${header}.${encode(JSON.stringify(validClaims()))}`
    const key = { key: privateKey, dsaEncoding: 'ieee-p1363' as const }

    await expectTokenRefused(`${input}.${encode(signBytes('sha256', Buffer.from(input), key))}`)
    for (const alg of ['Ed25519', 'eddsa', 'HS256', ['EdDSA'], { alg: 'EdDSA' }, 1]) {
      await expectTokenRefused(forge({}, { alg }))
    }
  })

  test('is refused with a foreign key, wherever its header says that the key is found', async () => {
    const [jwk] = foreignKeys.publicJwks().keys
    const offers = [
      {},
      { jwk },
      { jwk: { ...jwk, kid: validHeader().kid } },
      { jku: 'https://evil.test/jwks.json' },
      { jku: `${server.url}/.well-known/jwks.json` },
      { x5u: 'https://evil.test/chain.pem' },
      { x5c: [Buffer.from(jwk!.x!, 'base64url').toString('base64')] },
    ]

    for (const kid of [validHeader().kid, foreignKeys.signing.kid, undefined]) {
      for (const offer of offers)
        await expectTokenRefused(forge({}, { kid, ...offer }, foreignKeys))
    }
  })

  test('is refused by another installation, and in return, although they share the accounts', async () => {
    const replacements = { deps: { keys: foreignKeys } }
    const other = await startServer({ testStore, clock, replacements })
    const { email, password } = alice.identity
    const { body } = await other.anonymous.expect(200, 'logIn', { body: { email, password } })
    expect(
      (await requestProfile([`Authorization: Bearer ${body.accessToken}`], other.url)).status,
    ).toBe(200)
    await expectTokenRefused(body.accessToken)
    expectRefused(await requestProfile([`Authorization: Bearer ${forge({})}`], other.url))

    await other.close()
  })
})

describe('a token with an invalid header, signed with the key of the server', () => {
  test.each<[string, Members]>([
    ['no kid', { kid: undefined }],
    ['an unknown kid', { kid: 'nobody' }],
    ['an empty kid', { kid: '' }],
    ['a kid that is a path', { kid: '../../../../dev/null' }],
    ['a kid that is a number', { kid: 0 }],
    ['a kid that is a list', { kid: ['nobody'] }],
    ['a kid that every object has as a property', { kid: 'constructor' }],
    ['no type', { typ: undefined }],
    ['the type of an identity token', { typ: 'JWT' }],
    ['the type of a logout token', { typ: 'logout+jwt' }],
    ['a type that is a list', { typ: ['at+jwt'] }],
    ['an unknown critical extension', { crit: ['urn:x'], 'urn:x': true }],
    ['a critical claim', { crit: ['exp'], exp: 1 }],
    ['an empty list of critical extensions', { crit: [] }],
    ['a critical extension that is missing', { crit: ['b64'] }],
    ['critical extensions that are no list', { crit: 'b64', b64: true }],
    ['a claim that the payload is unencoded', { crit: ['b64'], b64: false }],
  ])('is refused with %s', async (_, header) => {
    await expectTokenRefused(forge({}, header))
  })

  test('is refused with an unencoded payload (RFC 7797)', async () => {
    const header = encode(JSON.stringify({ ...validHeader(), crit: ['b64'], b64: false }))
    const input = `${header}.${encode(JSON.stringify(validClaims())).replaceAll('.', '')}`
    const key = KeyObject.from(server.parley.deps.keys.signing.privateKey)

    await expectTokenRefused(`${input}.${encode(signBytes(null, Buffer.from(input), key))}`)
  })

  test.each(['[]', 'null', '42', '"EdDSA"', '{', '', '\u0000'])(
    'is refused with %j instead of an object',
    async (text) => {
      const [, payload = '', signature = ''] = forge({}).split('.')

      await expectTokenRefused(`${encode(text)}.${payload}.${signature}`)
    },
  )
})
