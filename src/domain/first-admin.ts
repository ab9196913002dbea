import { randomBytes } from 'node:crypto'
import type { Dependencies } from '../dependencies.ts'

/** Who administers a server whose operator named nobody. */
const DEFAULT_EMAIL = 'admin@parley.local'
const PASSWORD_BYTES = 18

export type FirstAdmin = { email: string; password: string; isPasswordMade: boolean }

/**
 * Makes an admin where there is none: from the configuration, or with a random password.
 * @returns who was made, so that the password can be shown once; undefined if there was one
 */
export async function makeFirstAdmin(
  { store, passwords, ids, clock }: Pick<Dependencies, 'store' | 'passwords' | 'ids' | 'clock'>,
  given: { adminEmail: string | undefined; adminPassword: string | undefined },
): Promise<FirstAdmin | undefined> {
  if (await store.accounts.hasAdmin()) return undefined
  const email = given.adminEmail ?? DEFAULT_EMAIL
  const password = given.adminPassword ?? randomBytes(PASSWORD_BYTES).toString('base64url')
  const made = await store.accounts.create({
    id: ids.next(),
    role: 'admin',
    email,
    displayName: 'Administrator',
    passwordHash: await passwords.hash(password),
    now: clock.now(),
  })
  // Another instance that started at the same moment was faster.
  if (made === 'email-taken') return undefined
  return { email, password, isPasswordMade: given.adminPassword === undefined }
}
