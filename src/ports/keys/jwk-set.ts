import { calculateJwkThumbprint, importJWK, type CryptoKey, type JWK } from 'jose'
import { SecretFileMistake } from './secret-file.ts'

/** The one algorithm of access tokens (RFC 8037). */
export const SIGNING_ALGORITHM = 'EdDSA'

/** One key of a private JWK Set, imported. */
export interface Key {
  readonly kid: string
  readonly publicJwk: JWK
  readonly publicKey: CryptoKey
  readonly privateKey: CryptoKey | undefined
  /** When it starts to sign, in seconds since 1970; absent: always. */
  readonly activeFrom: number | undefined
  /** When it stops to count, in seconds since 1970; absent: never. */
  readonly retiredAt: number | undefined
}

/**
 * The members of a private JWK Set (RFC 7517), unchecked.
 * @param origin the name of the set in messages
 * @throws SecretFileMistake if it is no set; the message never quotes it
 */
export function jwksIn(text: string, origin: string): unknown[] {
  const set = parseJson(text, origin)
  if (isRecord(set) && Array.isArray(set.keys)) return set.keys
  throw new SecretFileMistake(`${origin} must be a JWK Set: {"keys": [...]}.`)
}

/** @throws SecretFileMistake with the place of the mistake, never with a key's value */
export async function importKey(jwk: unknown, origin: string): Promise<Key> {
  const { x, d, activeFrom, retiredAt } = ed25519(jwk, origin)
  const publicMembers = { kty: 'OKP', crv: 'Ed25519', x }
  // RFC 7638: a thumbprint identifies the key, whatever `kid` the file gives it.
  const kid = await calculateJwkThumbprint(publicMembers)
  return {
    kid,
    publicJwk: { ...publicMembers, kid, alg: SIGNING_ALGORITHM, use: 'sig' },
    publicKey: await importHalf(publicMembers, origin),
    privateKey: d === undefined ? undefined : await importHalf({ ...publicMembers, d }, origin),
    activeFrom: numericDate(activeFrom, `${origin}: "activeFrom"`),
    retiredAt: numericDate(retiredAt, `${origin}: "retiredAt"`),
  }
}

function parseJson(text: string, origin: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The message of the parser quotes the text around the mistake, which may be the key.
    throw new SecretFileMistake(`${origin} is not JSON.`)
  }
}

function ed25519(jwk: unknown, origin: string) {
  if (!isRecord(jwk) || jwk.kty !== 'OKP' || jwk.crv !== 'Ed25519') {
    throw new SecretFileMistake(`${origin} must be an Ed25519 key (kty "OKP", crv "Ed25519").`)
  }
  const { x, d, activeFrom, retiredAt } = jwk
  if (!isKeyBytes(x)) throw new SecretFileMistake(`${origin}: "x" must be 32 bytes of base64url.`)
  if (d === undefined || isKeyBytes(d)) return { x, d, activeFrom, retiredAt }
  throw new SecretFileMistake(`${origin}: "d" must be 32 bytes of base64url.`)
}

function numericDate(value: unknown, origin: string): number | undefined {
  if (value === undefined) return undefined
  const isTime = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
  if (isTime && value < FIRST_IN_MS) return value
  throw new SecretFileMistake(`${origin} must be a Unix time in whole seconds.`)
}

/** A larger number is a time in milliseconds: as seconds it would be the year 5138. */
const FIRST_IN_MS = 1e11

async function importHalf(jwk: JWK, origin: string): Promise<CryptoKey> {
  try {
    return (await importJWK(jwk, SIGNING_ALGORITHM)) as CryptoKey
  } catch {
    throw new SecretFileMistake(`${origin} cannot be used: its "x" and "d" do not match.`)
  }
}

function isKeyBytes(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{43}$/.test(value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
