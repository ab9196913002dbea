import type { CryptoKey, JWK } from 'jose'
import { importKey, jwksIn, type Key } from './jwk-set.ts'
import { SecretFileMistake } from './secret-file.ts'

/** The signing keys of a file at any given time. Keys whose `retiredAt` has passed are left out. */
export interface KeySet {
  /**
   * The key that signs: the first that is active. If none is yet, the one that will be first: every
   * instance that has the file knows it. Undefined if all are retired.
   */
  findSigner(at: Date): Signer | undefined
  /** The public key, even of a key that is not active yet: the clock of its signer may be ahead. */
  findVerifying(kid: string, at: Date): CryptoKey | undefined
  /** Public halves only. */
  publicJwks(at: Date): { keys: JWK[] }
}

/** A key with its private half. */
export type Signer = { readonly kid: string; readonly privateKey: CryptoKey }

/**
 * Reads a private JWK Set. The first key needs its private half; others may only verify. The
 * members `activeFrom` and `retiredAt` (seconds since 1970) say when a key starts to sign and when it
 * stops to count.
 * @param origin the name of the set in messages
 * @throws SecretFileMistake with the place of the mistake, never with a key's value
 */
export async function parseKeySet(text: string, origin: string): Promise<KeySet> {
  const keys = await Promise.all(
    jwksIn(text, origin).map((jwk, index) => importKey(jwk, `${origin}, keys[${index}]`)),
  )
  const [first] = keys
  if (!first) throw new SecretFileMistake(`${origin} has no keys: the first key must sign.`)
  if (!first.privateKey)
    throw new SecretFileMistake(`${origin}, keys[0] signs and must have a "d".`)
  const byKid = new Map(keys.map((key) => [key.kid, key]))
  if (byKid.size < keys.length)
    throw new SecretFileMistake(`${origin} contains the same key twice.`)
  return {
    findSigner: (at) => findSigner(keys, at),
    findVerifying(kid, at) {
      const key = byKid.get(kid)
      return key && !isRetired(key, at) ? key.publicKey : undefined
    },
    publicJwks: (at) => ({
      keys: keys.filter((key) => !isRetired(key, at)).map((key) => ({ ...key.publicJwk })),
    }),
  }
}

/** Whether the key is retired at that time. */
export function isRetired({ retiredAt }: Pick<Key, 'retiredAt'>, at: Date): boolean {
  return retiredAt !== undefined && at.getTime() >= retiredAt * 1000
}

/** Whether the key may sign at that time. */
export function isActive({ activeFrom = 0 }: Pick<Key, 'activeFrom'>, at: Date): boolean {
  return at.getTime() >= activeFrom * 1000
}

function findSigner(keys: readonly Key[], at: Date): Signer | undefined {
  const able = keys.filter((key): key is Key & Signer => !isRetired(key, at) && !!key.privateKey)
  const soonest = [...able].sort((a, b) => (a.activeFrom ?? 0) - (b.activeFrom ?? 0))[0]
  return able.find((key) => isActive(key, at)) ?? soonest
}
