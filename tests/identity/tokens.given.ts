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

export const TTL = 900

const CHALLENGE = 'Bearer realm="parley", error="invalid_token", error_description='

const DESCRIPTIONS = {
  'token-invalid': 'The token or API key is not valid.',
  'token-expired': 'The token or API key has expired.',
}

export let testStore: TestStore

export let clock: JumpingClock

export let server: TestServer

export let alice: Client

export let subject: string

export let strangers: SigningKeys

/** What was presented, and the requests that it came in: no line of the log may hold any of it. */
const presented = new Set<string>()

const requestIds: string[] = []

beforeAll(async () => {
  testStore = await openTestStore()
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock })
  strangers = await parseSigningKeys(await newSigningKeysText(), 'the keys of strangers')
  alice = await server.createUser()
  subject = (await alice.expect(200, 'getProfile')).body.id
})

afterAll(async () => {
  // The last word on every test above: each request has its line, and nothing of its credential.
  const ids = () => new Set(server.logLines().map(({ requestId }) => requestId))
  await until(() => requestIds.every((id) => ids().has(id)))
  const log = JSON.stringify(server.logLines())
  expect([...presented].filter((secret) => log.includes(secret))).toEqual([])
  await server.close()
  await testStore.close()
})

/** Asks for the profile with these header lines, byte by byte. */
export async function ask(lines: readonly string[], url = server.url): Promise<WireResponse> {
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

export function expectRefused(
  answer: WireResponse,
  code: keyof typeof DESCRIPTIONS = 'token-invalid',
) {
  expect([answer.status, answer.problem().code]).toEqual([401, code])
  expect(answer.headers).toMatchObject({
    'www-authenticate': `${CHALLENGE}"${DESCRIPTIONS[code]}"`,
    'cache-control': 'no-store',
  })
}

export const bearer = (token: string) => ask([`Authorization: Bearer ${token}`])

export async function expectTokenRefused(token: string, code?: keyof typeof DESCRIPTIONS) {
  expectRefused(await bearer(token), code)
}

export const seconds = () => Math.floor(clock.now().getTime() / 1000)

export const encode = (text: string | Buffer) => Buffer.from(text).toString('base64url')

export const rightHeader = () => ({
  alg: 'EdDSA',
  typ: 'at+jwt',
  kid: server.parley.deps.keys.signing.kid,
})

export const rightClaims = () => ({
  iss: 'parley',
  aud: 'parley-api',
  sub: subject,
  sid: alice.identity.sessionId,
  jti: randomUUID(),
  scope: 'profile:read',
  iat: seconds(),
  exp: seconds() + TTL,
})

export type Members = Record<string, unknown>

/** Signs any text at all as a payload, by default with the server's own key. */
export function signText(payload: string, header: Members, keys = server.parley.deps.keys): string {
  const input = `${encode(JSON.stringify(header))}.${encode(payload)}`
  const key = KeyObject.from(keys.signing.privateKey)
  return `${input}.${encode(signBytes(null, Buffer.from(input), key))}`
}

/** A token with everything right but what is given. A member that is undefined is left out. */
export function forge(claims: Members, header: Members = {}, keys?: SigningKeys): string {
  const payload = JSON.stringify({ ...rightClaims(), ...claims })
  return signText(payload, { ...rightHeader(), ...header }, keys)
}

/** The same with a claim written as this JSON, for numbers that no program would write. */
export function forgeWith(claim: string, json: string): string {
  const payload = JSON.stringify({ ...rightClaims(), [claim]: '@' }).replace('"@"', json)
  return signText(payload, rightHeader())
}
