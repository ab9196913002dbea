import { join } from 'node:path'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose'
import { systemClock, type Clock } from '../clock/clock.ts'
import { SIGNING_ALGORITHM } from './jwk-set.ts'
import { openKeyFile, type KeySource } from './key-file.ts'
import { parseKeySet, type Signer } from './key-set.ts'
import type { Log } from '../observability/log.ts'
import { findOrMakeSecretFile, SecretFileMistake } from './secret-file.ts'

export { SIGNING_ALGORITHM } from './jwk-set.ts'

/** The keys of access tokens, at the moment of each call. */
export interface SigningKeys {
  /**
   * The key that signs now; see KeySet.
   * @throws SecretFileMistake if every key is retired
   */
  readonly signing: Signer
  /** The public half of any key that is not retired, so that former signers still verify. */
  findVerifying(kid: string): CryptoKey | undefined
  /** The body of `/.well-known/jwks.json`: public halves only. */
  publicJwks(): { keys: JWK[] }
  /** Reads the file at once, for a `kid` that is unknown; see KeySource. */
  lookAgain(): Promise<void>
  /** Follows changes of the file until the returned function is called. */
  follow(): () => void
}

/**
 * The signing keys: from the given file, or from `<dataDir>/signing-keys.json`, made at the first
 * start (0600). They change with the file; later mistakes in it are logged.
 * @throws SecretFileMistake if the file is missing, malformed, of another kind of key, or open to
 *   others
 */
export async function loadSigningKeys(
  where: { file: string | undefined; dataDir: string; hasData?: boolean },
  world: { clock: Clock; log: Pick<Log, 'info' | 'warn' | 'error'> },
): Promise<SigningKeys> {
  const path = signingKeysPath(where)
  if (where.file === undefined) {
    await findOrMakeSecretFile(path, async () => {
      if (where.hasData) world.log.warn({ path }, KEYS_LOST)
      return newSigningKeysText()
    })
  }
  return signingKeysOf(await openKeyFile(path, world), path, world.clock)
}

/** Unlike a lost server secret, a lost key invalidates no password and no session. */
const KEYS_LOST =
  'signing keys were missing beside existing data and were created anew: every access token is invalid, and every client has to refresh once'

/** The path of the signing keys: the given file, or one in DATA_DIR. */
export function signingKeysPath(where: { file: string | undefined; dataDir: string }): string {
  return where.file ?? join(where.dataDir, 'signing-keys.json')
}

/**
 * The keys of a text, which never change.
 * @param origin the name of the text in messages
 * @throws SecretFileMistake with the place of the mistake, never with a key's value
 */
export async function parseSigningKeys(
  text: string,
  origin: string,
  clock = systemClock,
): Promise<SigningKeys> {
  const keys = await parseKeySet(text, origin)
  const source = { current: () => keys, lookAgain: async () => {}, follow: () => () => {} }
  return signingKeysOf(source, origin, clock)
}

/** A private JWK Set (RFC 7517) with one new Ed25519 key, as a file's text. */
export async function newSigningKeysText(): Promise<string> {
  return signingKeysText([await newSigningKey()])
}

/** A new private key as a JWK. */
export async function newSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(SIGNING_ALGORITHM, { extractable: true })
  const { kty, crv, x, d } = await exportJWK(privateKey)
  const kid = await calculateJwkThumbprint({ kty: kty!, crv: crv!, x: x! })
  return { kty: kty!, crv: crv!, kid, x: x!, d: d! }
}

/** A private JWK Set as a file's text. */
export function signingKeysText(keys: readonly object[]): string {
  return `${JSON.stringify({ keys }, undefined, 2)}\n`
}

function signingKeysOf(source: KeySource, origin: string, clock: Clock): SigningKeys {
  return {
    get signing() {
      const signer = source.current().findSigner(clock.now())
      if (signer) return signer
      throw new SecretFileMistake(`${origin} has only retired keys: run "npm run rotate-keys".`)
    },
    findVerifying: (kid) => source.current().findVerifying(kid, clock.now()),
    publicJwks: () => source.current().publicJwks(clock.now()),
    lookAgain: () => source.lookAgain(),
    follow: () => source.follow(),
  }
}
