import { randomBytes } from 'node:crypto'
import type { Dependencies } from '../dependencies.ts'
import type { Nouns } from '../../store/store.ts'
import { actorOf, type Audit } from '../records/audit.ts'

/** Who administers a server whose operator named nobody. */
const DEFAULT_EMAIL = 'admin@parley.local'
const PASSWORD_BYTES = 18
/** What the record of acts says instead of a call. */
const START = { requestId: 'start', address: '', auditable: ['user.created'] } as const

export type FirstAdmin = { email: string; password: string; isPasswordMade: boolean }

/** How an administrator gets in, as far as the start knows. */
export type AdminAccess =
  /** There was none, and one was made. */
  | ({ kind: 'made' } & FirstAdmin)
  /** `ADMIN_EMAIL` and `ADMIN_PASSWORD` open an account of before. */
  | { kind: 'given'; email: string }
  /** They do not: an account of before has another password, may not sign in, or is no administrator. */
  | { kind: 'unfitting'; reason: Misfit }
  /** There is an administrator, and the operator named none. */
  | { kind: 'known' }

export type Misfit = 'not-an-admin' | 'disabled' | 'wrong-password' | 'no-admin-at-all'

type Given = { adminEmail: string | undefined; adminPassword: string | undefined }
type Deps = Pick<Dependencies, 'store' | 'passwords' | 'ids' | 'clock'> & {
  audit: Audit
  /**
   * Shows a password that was made, once, where the operator reads it.
   * @throws when it could not be shown; then there is no administrator either
   */
  show: (admin: FirstAdmin) => Promise<void>
}

/**
 * Makes an admin where there is none: from the configuration, or with a random password. It is shown
 * within the transaction that makes the account: whenever the start is broken off, the account is
 * there and its password was shown, or the next start makes it. Of instances that start at the same
 * moment one makes it, and the others wait for that.
 */
export async function provideAdmin(deps: Deps, given: Given): Promise<AdminAccess> {
  if (await deps.store.accounts.hasAdmin()) return fitOf(deps, given)
  const made = await makeFirstAdmin(deps, given)
  if (made) return { kind: 'made', ...made }
  // Another instance was faster, or somebody else has the address.
  if (await deps.store.accounts.hasAdmin()) return fitOf(deps, given)
  return { kind: 'unfitting', reason: 'no-admin-at-all' }
}

async function makeFirstAdmin(deps: Deps, given: Given): Promise<FirstAdmin | undefined> {
  const { store, passwords, ids, clock } = deps
  const email = given.adminEmail ?? DEFAULT_EMAIL
  const password = given.adminPassword ?? randomBytes(PASSWORD_BYTES).toString('base64url')
  const admin = { email, password, isPasswordMade: given.adminPassword === undefined }
  const account = {
    id: ids.next(),
    role: 'admin' as const,
    email,
    displayName: 'Administrator',
    passwordHash: await passwords.hash(password),
    now: clock.now(),
  }
  const once = showingOnce(deps, admin)
  const keep = async (nouns: Nouns): Promise<FirstAdmin | undefined> => {
    const made = await nouns.accounts.create(account)
    if (made === 'email-taken') return undefined
    await deps.audit.record(nouns, START, { event: 'user.created', target: actorOf(made) })
    await once()
    return admin
  }
  return store.atomically(keep)
}

/** A transaction may be done again; what it shows is the same, and once is enough. */
function showingOnce({ show }: Deps, admin: FirstAdmin): () => Promise<void> {
  let isShown = !admin.isPasswordMade
  return async () => {
    if (isShown) return
    await show(admin)
    isShown = true
  }
}

/** Whether what the operator named opens anything. */
async function fitOf({ store, passwords }: Deps, given: Given): Promise<AdminAccess> {
  const { adminEmail: email, adminPassword: password } = given
  if (email === undefined || password === undefined) return { kind: 'known' }
  const account = await store.accounts.findByEmail(email)
  if (account?.role !== 'admin') return { kind: 'unfitting', reason: 'not-an-admin' }
  if (account.disabledAt) return { kind: 'unfitting', reason: 'disabled' }
  const fits = await passwords.verify(password, account.passwordHash)
  return fits ? { kind: 'given', email } : { kind: 'unfitting', reason: 'wrong-password' }
}
