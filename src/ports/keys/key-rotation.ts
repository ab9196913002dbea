import type { JWK } from 'jose'
import type { Clock } from '../clock/clock.ts'
import { importKey, jwksIn } from './jwk-set.ts'
import { isActive, isRetired, parseKeySet } from './key-set.ts'
import { changeSecretFile } from './secret-file-change.ts'
import { newSigningKey, newSigningKeysText, signingKeysText } from './signing-keys.ts'

/** How long before a new key signs: time for every instance, and every cache, to learn of it. */
export const LEAD_SECONDS = 60

/** Allowance for clocks that differ, where the life of a token decides how long a former key verifies. */
const SKEW_SECONDS = 60
const LEAST_OVERLAP_SECONDS = 3600

/** How the keys change. */
export type Rotation =
  /** The new key signs in a minute, and from then on the former ones verify for `overlapSeconds`. */
  | { kind: 'with-overlap'; overlapSeconds: number }
  /** For a key that is no longer secret: the new one signs at once, and no former one remains. */
  | { kind: 'at-once' }

/** How long the former keys must verify so that no token ends before it expires. */
export function overlapFor(accessTokenTtlSeconds: number): number {
  return Math.max(LEAST_OVERLAP_SECONDS, accessTokenTtlSeconds + SKEW_SECONDS)
}

/**
 * Rotates the signing keys of a file, under a lock and atomically.
 * @returns the new text of the file
 * @throws SecretFileMistake if the file cannot be used or replaced; then it is as it was
 */
export async function rotateSigningKeys(
  path: string,
  rotation: Rotation,
  clock: Clock,
): Promise<string> {
  return changeSecretFile(path, (text) => rotate(text, path, rotation, clock.now()), clock)
}

async function rotate(text: string, origin: string, rotation: Rotation, now: Date) {
  const signer = (await parseKeySet(text, origin)).findSigner(now)
  if (rotation.kind === 'at-once') return newSigningKeysText()
  const activeFrom = Math.ceil(now.getTime() / 1000) + LEAD_SECONDS
  const retiredAt = activeFrom + rotation.overlapSeconds
  const former = await Promise.all(
    jwksIn(text, origin).map(async (jwk, index): Promise<object[]> => {
      const key = await importKey(jwk, `${origin}, keys[${index}]`)
      if (isRetired(key, now)) return []
      const mayStillSign = key.kid === signer?.kid || !isActive(key, now)
      const kept = mayStillSign ? (jwk as JWK) : withoutPrivateHalf(jwk as JWK)
      return [{ ...kept, retiredAt: key.retiredAt ?? retiredAt }]
    }),
  )
  // If no key can sign, the new one signs at once.
  const next = { ...(await newSigningKey()), ...(signer && { activeFrom }) }
  return signingKeysText([next, ...former.flat()])
}

function withoutPrivateHalf({ d: _d, ...rest }: JWK): JWK {
  return rest
}
