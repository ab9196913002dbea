import { hkdfSync, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { findOrMakeSecretFile, findSecretFile, SecretFileMistake } from './secret-file.ts'

/** The purpose of a derived key. One secret gives an unrelated key for each (RFC 5869 `info`). */
export type KeyPurpose =
  'passwords' | 'refresh-tokens' | 'api-keys' | 'cursors' | 'operator-requests'

/** In UTF-8. */
export const SERVER_SECRET_LEAST_BYTES = 32

const KEY_BYTES = 32

/** A new server secret: 32 random bytes as base64url. */
export function newServerSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** Whether a text is long enough to be the server secret. */
export function isServerSecret(text: string): boolean {
  return Buffer.byteLength(text) >= SERVER_SECRET_LEAST_BYTES
}

/** Where the server secret comes from. */
export type SecretSource = {
  given: string | undefined
  dataDir: string
  /** Whether passwords and keys may have been made with the secret in the folder. */
  hasData?: boolean
}

/**
 * The server secret: the given one, or the one in `<dataDir>/server-secret`, made at the first start
 * (0600). The line of that file works as `SERVER_SECRET` too, and gives the same keys.
 * @throws SecretFileMistake if the file is damaged, others may open it, or the data beside it were
 *   made with another secret
 */
export async function loadServerSecret(source: SecretSource): Promise<string> {
  const path = serverSecretPath(source.dataDir)
  if (source.given !== undefined) return confirmGiven(source.given, path, source)
  if (source.hasData) await refuseMissing(path)
  const secret = (await findOrMakeSecretFile(path, () => `${newServerSecret()}\n`)).trim()
  if (isServerSecret(secret)) return secret
  throw new SecretFileMistake(
    `${path} must contain at least ${SERVER_SECRET_LEAST_BYTES} bytes. Restore it from a backup: ` +
      'without it, no existing password, refresh token or API key can be verified.',
  )
}

async function refuseMissing(path: string): Promise<void> {
  if ((await findSecretFile(path)) !== undefined) return
  throw new SecretFileMistake(
    `${path} is missing beside existing data: without it, no existing password, refresh token or API key can be verified. ` +
      'Restore it from a backup, or set SERVER_SECRET to the secret that the server used.',
  )
}

async function confirmGiven(given: string, path: string, { hasData }: SecretSource) {
  const kept = hasData ? (await findSecretFile(path))?.trim() : undefined
  if (kept === undefined || kept === given) return given
  throw new SecretFileMistake(
    `SERVER_SECRET differs from the secret in ${path}, which every password, refresh token and API key depends on: ` +
      'leave SERVER_SECRET out, or remove that file if it was never used.',
  )
}

/** The path of the secret that a server made for itself. */
export function serverSecretPath(dataDir: string): string {
  return join(dataDir, 'server-secret')
}

/** The 32-byte key for a purpose, by HKDF-SHA-256 (RFC 5869). One secret always gives the same key. */
export function deriveKey(secret: string, purpose: KeyPurpose): Buffer {
  const info = `parley/v1/${purpose}`
  return Buffer.from(hkdfSync('sha256', secret, 'parley', info, KEY_BYTES))
}
