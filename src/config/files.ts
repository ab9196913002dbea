import { readFileSync } from 'node:fs'
import { openCertificate } from '../ports/keys/certificate.ts'
import { systemClock } from '../ports/clock/clock.ts'
import { checkKeyFile } from '../ports/keys/key-file.ts'
import { StartRefused } from '../ports/start-refused.ts'
import type { Env } from './environment.ts'
import { isContent } from './values.ts'

/**
 * The mistakes in the files that variables name, one for each. A path is shown only if the file
 * exists: the secret itself may have been pasted in its place.
 */
export async function mistakesInFiles(env: Env): Promise<string[]> {
  const found = await Promise.all([mistakeInKeys(env), mistakeInCertificate(env)])
  return found.filter((mistake) => mistake !== undefined)
}

async function mistakeInKeys({ SIGNING_KEYS_FILE: path }: Env): Promise<string | undefined> {
  if (!path || isContent(path)) return undefined
  const fault = unreadable(path)
  if (fault) return `SIGNING_KEYS_FILE names ${fault}. Create one with "npm run secrets".`
  return mistakeOf('SIGNING_KEYS_FILE', () => checkKeyFile(path, systemClock))
}

async function mistakeInCertificate(env: Env): Promise<string | undefined> {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = env
  if (!certFile || !keyFile || [certFile, keyFile].some(isContent)) return undefined
  for (const [name, path] of Object.entries({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile })) {
    const fault = unreadable(path)
    if (fault) return `${name} names ${fault}.`
  }
  return mistakeOf('TLS_CERT_FILE and TLS_KEY_FILE', () => openCertificate({ certFile, keyFile }))
}

function unreadable(path: string): string | undefined {
  try {
    readFileSync(path)
    return undefined
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    return WHY[code] ?? `a file that cannot be read (${code})`
  }
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'a file that does not exist',
  ENOTDIR: 'a file that does not exist',
  ENAMETOOLONG: 'a file that does not exist',
  EISDIR: 'a folder, not a file',
  EACCES: 'a file that this user cannot read',
  EPERM: 'a file that this user cannot read',
}

async function mistakeOf(names: string, read: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await read()
    return undefined
  } catch (error) {
    if (!(error instanceof StartRefused)) throw error
    return `${names}: ${error.message}`
  }
}
