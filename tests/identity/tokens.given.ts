import { KeyObject, randomUUID, sign as signBytes } from 'node:crypto'
import { afterAll, beforeAll, expect } from 'vitest'
import {
  newSigningKeysText,
  parseSigningKeys,
  type SigningKeys,
} from '../../src/ports/keys/signing-keys.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { JumpingClock } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { sendBytes, type WireResponse } from '../support/wire/wire.ts'

export const TTL_SECONDS = 900

const CHALLENGE = 'Bearer realm="parley", error="invalid_token", error_description='

const DESCRIPTIONS = {
  'token-invalid': 'The token or API key is not valid.',
  'token-expired': 'The token or API key has expired.',
}

// A server whose clock can jump, and one of its users.
export let testStore: TestStore
export let clock: JumpingClock
export let server: TestServer
export let alice: Client
/** The id of alice. */
export let subject: string
/** The signing keys of another installation. */
export let foreignKeys: SigningKeys

/** Parts of the credentials that were sent, which no line of the log may hold. */
const presented = new Set<string>()

/** The requests that were refused. */
const requestIds: string[] = []

beforeAll(async () => {
  testStore = await openTestStore()
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock })
  foreignKeys = await parseSigningKeys(
    await newSigningKeysText(),
    'the keys of another installation',
  )
  alice = await server.createUser()
  subject = (await alice.expect(200, 'getProfile')).body.id
})

afterAll(async () => {
  // For every test of the file: each request has a line in the log, and none holds its credential.
  const ids = () => new Set(server.logLines().map(({ requestId }) => requestId))
  await until(() => requestIds.every((id) => ids().has(id)))
  const log = JSON.stringify(server.logLines())
  expect([...presented].filter((secret) => log.includes(secret))).toEqual([])
  await server.close()
  await testStore.close()
})

/** Requests the profile with exactly these header lines. */
export async function requestProfile(
  lines: readonly string[],
  url = server.url,
): Promise<WireResponse> {
  const { pathname } = new URL(alice.urlOf('getProfile'))
  const head = [`GET ${pathname} HTTP/1.1`, 'Host: parley', 'Connection: close', ...lines]
  const response = await sendBytes(url, Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'))
  for (const part of lines.join(' ').split(/[^A-Za-z0-9_-]/)) {
    // The log names the caller on purpose.
    if (part.length > 20 && part !== subject) presented.add(part)
  }
  if (response.status === 401 && url === server.url)
    requestIds.push(response.headers['x-request-id']!)
  return response
}

export function expectRefused(
  response: WireResponse,
  code: keyof typeof DESCRIPTIONS = 'token-invalid',
) {
  expect([response.status, response.problem().code]).toEqual([401, code])
  expect(response.headers).toMatchObject({
    'www-authenticate': `${CHALLENGE}"${DESCRIPTIONS[code]}"`,
    'cache-control': 'no-store',
  })
}

export const requestWithToken = (token: string) =>
  requestProfile([`Authorization: Bearer ${token}`])

export async function expectTokenRefused(token: string, code?: keyof typeof DESCRIPTIONS) {
  expectRefused(await requestWithToken(token), code)
}

export const nowSeconds = () => Math.floor(clock.now().getTime() / 1000)

export const encode = (text: string | Buffer) => Buffer.from(text).toString('base64url')

export const validHeader = () => ({
  alg: 'EdDSA',
  typ: 'at+jwt',
  kid: server.parley.deps.keys.signing.kid,
})

export const validClaims = () => ({
  iss: 'parley',
  aud: 'parley-api',
  sub: subject,
  sid: alice.identity.sessionId,
  jti: randomUUID(),
  scope: 'profile:read',
  iat: nowSeconds(),
  exp: nowSeconds() + TTL_SECONDS,
})

export type Members = Record<string, unknown>

/** Signs any text as a payload, by default with the server's own key. */
export function signText(payload: string, header: Members, keys = server.parley.deps.keys): string {
  const input = `${encode(JSON.stringify(header))}.${encode(payload)}`
  const key = KeyObject.from(keys.signing.privateKey)
  return `${input}.${encode(signBytes(null, Buffer.from(input), key))}`
}

/** Returns a valid token with these claims and headers instead; `undefined` leaves one out. */
export function forge(claims: Members, header: Members = {}, keys?: SigningKeys): string {
  const payload = JSON.stringify({ ...validClaims(), ...claims })
  return signText(payload, { ...validHeader(), ...header }, keys)
}

/** Returns a valid token with this JSON for a claim, for numbers that `JSON.stringify` never writes. */
export function forgeWith(claim: string, json: string): string {
  const payload = JSON.stringify({ ...validClaims(), [claim]: '@' }).replace('"@"', json)
  return signText(payload, validHeader())
}
