import { randomBytes } from 'node:crypto'
import type { Dependencies } from '../dependencies.ts'
import { actorOf, type Audit } from './audit.ts'

/** Who administers a server whose operator named nobody. */
const DEFAULT_EMAIL = 'admin@parley.local'
const PASSWORD_BYTES = 18
/** What the record of acts says instead of a call. */
const START = { requestId: 'start', address: '', auditable: ['user.created'] } as const

export type FirstAdmin = { email: string; password: string; isPasswordMade: boolean }

/**
 * Makes an admin where there is none: from the configuration, or with a random password.
 * @returns who was made, so that the password can be shown once; undefined if there was one
 */
export async function makeFirstAdmin(
  deps: Pick<Dependencies, 'store' | 'passwords' | 'ids' | 'clock'> & { audit: Audit },
  given: { adminEmail: string | undefined; adminPassword: string | undefined },
): Promise<FirstAdmin | undefined> {
  const { store, passwords, ids, clock, audit } = deps
  if (await store.accounts.hasAdmin()) return undefined
  const email = given.adminEmail ?? DEFAULT_EMAIL
  const password = given.adminPassword ?? randomBytes(PASSWORD_BYTES).toString('base64url')
  const account = {
    id: ids.next(),
    role: 'admin' as const,
    email,
    displayName: 'Administrator',
    passwordHash: await passwords.hash(password),
    now: clock.now(),
  }
  const made = await store.atomically(async (nouns) => {
    const admin = await nouns.accounts.create(account)
    if (admin === 'email-taken') return admin
    await audit.record(nouns, START, { event: 'user.created', target: actorOf(admin) })
    return admin
  })
  // Another instance that started at the same moment was faster.
  if (made === 'email-taken') return undefined
  return { email, password, isPasswordMade: given.adminPassword === undefined }
}
