import { join } from 'node:path'
import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type CryptoKey,
  type JWK,
} from 'jose'
import { findOrMakeSecretFile, findSecretFile, SecretFileMistake } from './secret-file.ts'

/** The one algorithm of our tokens (RFC 8037). */
export const SIGNING_ALGORITHM = 'EdDSA'

/** The keys of access tokens, imported once. */
export interface SigningKeys {
  /** The key that signs: the first of the set. */
  readonly signing: { readonly kid: string; readonly privateKey: CryptoKey }
  /** The public key of any key in the set, so that a retired one verifies until it is removed. */
  findVerifying(kid: string): CryptoKey | undefined
  /** What `/.well-known/jwks.json` answers: public halves only. */
  publicJwks(): { keys: JWK[] }
}

interface Key {
  readonly kid: string
  readonly publicJwk: JWK
  readonly publicKey: CryptoKey
  readonly privateKey: CryptoKey | undefined
}

/**
 * The signing keys: from the given file, or from `<dataDir>/signing-keys.json`, made at the first
 * start (0600).
 * @throws SecretFileMistake if the file is missing, malformed, of another kind of key, or open to
 *   others
 */
export async function loadSigningKeys(source: {
  file: string | undefined
  dataDir: string
}): Promise<SigningKeys> {
  if (source.file === undefined) {
    const path = join(source.dataDir, 'signing-keys.json')
    return parseSigningKeys(await findOrMakeSecretFile(path, newSigningKeysText), path)
  }
  const text = await findSecretFile(source.file)
  if (text !== undefined) return parseSigningKeys(text, source.file)
  throw new SecretFileMistake(`${source.file} does not exist. "npm run secrets" makes one.`)
}

/** A private JWK Set (RFC 7517) with one new Ed25519 key, as a file's text. */
export async function newSigningKeysText(): Promise<string> {
  const { privateKey } = await generateKeyPair(SIGNING_ALGORITHM, { extractable: true })
  const { kty, crv, x, d } = await exportJWK(privateKey)
  const kid = await calculateJwkThumbprint({ kty: kty!, crv: crv!, x: x! })
  return `${JSON.stringify({ keys: [{ kty, crv, kid, x, d }] }, undefined, 2)}\n`
}

/**
 * Reads a private JWK Set. The first key signs and needs its private half; the others only verify.
 * @param origin how messages call it
 * @throws SecretFileMistake with the place of the mistake, never with a key's value
 */
export async function parseSigningKeys(text: string, origin: string): Promise<SigningKeys> {
  const keys = await Promise.all(
    jwksIn(text, origin).map((jwk, index) => importKey(jwk, `${origin}, keys[${index}]`)),
  )
  const [first] = keys
  if (!first) throw new SecretFileMistake(`${origin} has no keys: the first one signs.`)
  if (!first.privateKey) throw new SecretFileMistake(`${origin}, keys[0] signs: it needs a "d".`)
  const byKid = new Map(keys.map((key) => [key.kid, key]))
  if (byKid.size < keys.length) throw new SecretFileMistake(`${origin} has one key twice.`)
  return {
    signing: { kid: first.kid, privateKey: first.privateKey },
    findVerifying: (kid) => byKid.get(kid)?.publicKey,
    publicJwks: () => ({ keys: keys.map((key) => ({ ...key.publicJwk })) }),
  }
}

function jwksIn(text: string, origin: string): unknown[] {
  const set = parseJson(text, origin)
  if (isRecord(set) && Array.isArray(set.keys)) return set.keys
  throw new SecretFileMistake(`${origin} must be a JWK Set: {"keys": [...]}.`)
}

function parseJson(text: string, origin: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the text around the mistake, which may be the key.
    throw new SecretFileMistake(`${origin} is not JSON.`)
  }
}

async function importKey(jwk: unknown, origin: string): Promise<Key> {
  const { x, d } = ed25519(jwk, origin)
  const publicMembers = { kty: 'OKP', crv: 'Ed25519', x }
  // RFC 7638: a thumbprint cannot be mistaken for another key's, whatever the file calls it.
  const kid = await calculateJwkThumbprint(publicMembers)
  return {
    kid,
    publicJwk: { ...publicMembers, kid, alg: SIGNING_ALGORITHM, use: 'sig' },
    publicKey: await importHalf(publicMembers, origin),
    privateKey: d === undefined ? undefined : await importHalf({ ...publicMembers, d }, origin),
  }
}

function ed25519(jwk: unknown, origin: string): { x: string; d: string | undefined } {
  if (!isRecord(jwk) || jwk.kty !== 'OKP' || jwk.crv !== 'Ed25519') {
    throw new SecretFileMistake(`${origin} must be an Ed25519 key (kty "OKP", crv "Ed25519").`)
  }
  const { x, d } = jwk
  if (!isKeyBytes(x)) throw new SecretFileMistake(`${origin}: "x" must be 32 bytes of base64url.`)
  if (d === undefined || isKeyBytes(d)) return { x, d }
  throw new SecretFileMistake(`${origin}: "d" must be 32 bytes of base64url.`)
}

async function importHalf(jwk: JWK, origin: string): Promise<CryptoKey> {
  try {
    return (await importJWK(jwk, SIGNING_ALGORITHM)) as CryptoKey
  } catch {
    throw new SecretFileMistake(`${origin} cannot be used: its "x" and "d" do not belong together.`)
  }
}

function isKeyBytes(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{43}$/.test(value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
