import { hkdfSync, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { findOrMakeSecretFile, SecretFileMistake } from './secret-file.ts'

/** What a key is for. One secret gives an unrelated key for each (RFC 5869 `info`). */
export type KeyPurpose = 'passwords' | 'refresh-tokens' | 'api-keys' | 'cursors'

/** The least a server secret may have, in UTF-8 bytes. */
export const SERVER_SECRET_LEAST_BYTES = 32

const KEY_BYTES = 32

/** A fresh server secret: 32 random bytes as base64url. */
export function newServerSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** Whether a text is long enough to be the server secret. */
export function isServerSecret(text: string): boolean {
  return Buffer.byteLength(text) >= SERVER_SECRET_LEAST_BYTES
}

/**
 * The server secret: the given one, or the one in `<dataDir>/server-secret`, made at the first
 * start (0600). The file's line works as `SERVER_SECRET` too, and then gives the same keys.
 * @throws SecretFileMistake if the file is damaged or others may open it
 */
export async function loadServerSecret(source: {
  given: string | undefined
  dataDir: string
}): Promise<string> {
  if (source.given !== undefined) return source.given
  const path = serverSecretPath(source.dataDir)
  const secret = (await findOrMakeSecretFile(path, () => `${newServerSecret()}\n`)).trim()
  if (isServerSecret(secret)) return secret
  throw new SecretFileMistake(
    `${path} must hold at least ${SERVER_SECRET_LEAST_BYTES} bytes. Restore it from a backup: ` +
      'without it no password, refresh token or API key made so far can be checked.',
  )
}

/** Where the secret is that a server made for itself. */
export function serverSecretPath(dataDir: string): string {
  return join(dataDir, 'server-secret')
}

/** The 32-byte key of one purpose, by HKDF-SHA-256 (RFC 5869). Always the same for one secret. */
export function deriveKey(secret: string, purpose: KeyPurpose): Buffer {
  const info = `parley/v1/${purpose}`
  return Buffer.from(hkdfSync('sha256', secret, 'parley', info, KEY_BYTES))
}
