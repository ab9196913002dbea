import { randomBytes } from 'node:crypto'
import type { Nouns } from '../../store/store.ts'
import type { Dependencies } from '../dependencies.ts'
import { actorOf, type Audit } from '../records/audit.ts'

/** The administrator's email where the operator has configured none. */
const DEFAULT_EMAIL = 'admin@parley.local'
const PASSWORD_BYTES = 18
/** Stands in audit events in the place of a call. */
const START = { requestId: 'start', address: '', auditable: ['user.created'] } as const

export type FirstAdmin = { email: string; password: string; isPasswordMade: boolean }

/** How an administrator can log in, as far as the start knows. */
export type AdminAccess =
  /** There was no administrator, and one was created. */
  | ({ kind: 'made' } & FirstAdmin)
  /** `ADMIN_EMAIL` and `ADMIN_PASSWORD` are those of an existing administrator. */
  | { kind: 'given'; email: string }
  /** They are not: that account has another password, is disabled, or is no administrator. */
  | { kind: 'unfitting'; reason: Misfit }
  /** There is an administrator, and the operator has configured none. */
  | { kind: 'known' }

export type Misfit = 'not-an-admin' | 'disabled' | 'wrong-password' | 'no-admin-at-all'

type Given = { adminEmail: string | undefined; adminPassword: string | undefined }
type Deps = Pick<Dependencies, 'store' | 'passwords' | 'ids' | 'clock'> & {
  audit: Audit
  /**
   * Shows a generated password once, where the operator reads it.
   * @throws when it could not be shown; then no administrator is created either
   */
  show: (admin: FirstAdmin) => Promise<void>
}

/**
 * Creates an administrator where there is none: from the configuration, or with a random password.
 * The password is shown within the transaction that creates the account: whenever the start is
 * interrupted, either the account exists and its password was shown, or the next start creates it.
 * Of instances that start at the same moment one creates it, and the others wait for that.
 */
export async function provideAdmin(deps: Deps, given: Given): Promise<AdminAccess> {
  if (await deps.store.accounts.hasAdmin()) return checkGiven(deps, given)
  const created = await createFirstAdmin(deps, given)
  if (created) return { kind: 'made', ...created }
  // Another instance was faster, or a user who is no administrator has the email.
  if (await deps.store.accounts.hasAdmin()) return checkGiven(deps, given)
  return { kind: 'unfitting', reason: 'no-admin-at-all' }
}

async function createFirstAdmin(deps: Deps, given: Given): Promise<FirstAdmin | undefined> {
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
  const showOnce = showingOnce(deps, admin)
  return store.atomically(async (nouns: Nouns): Promise<FirstAdmin | undefined> => {
    const created = await nouns.accounts.create(account)
    if (created === 'email-taken') return undefined
    await deps.audit.record(nouns, START, { event: 'user.created', target: actorOf(created) })
    await showOnce()
    return admin
  })
}

/** A transaction may be retried; the password stays the same and is shown once. */
function showingOnce({ show }: Deps, admin: FirstAdmin): () => Promise<void> {
  let isShown = !admin.isPasswordMade
  return async () => {
    if (isShown) return
    await show(admin)
    isShown = true
  }
}

/** Whether an administrator can log in with what the operator has configured. */
async function checkGiven({ store, passwords }: Deps, given: Given): Promise<AdminAccess> {
  const { adminEmail: email, adminPassword: password } = given
  if (email === undefined || password === undefined) return { kind: 'known' }
  const account = await store.accounts.findByEmail(email)
  if (account?.role !== 'admin') return { kind: 'unfitting', reason: 'not-an-admin' }
  if (account.disabledAt) return { kind: 'unfitting', reason: 'disabled' }
  const isRight = await passwords.verify(password, account.passwordHash)
  return isRight ? { kind: 'given', email } : { kind: 'unfitting', reason: 'wrong-password' }
}
