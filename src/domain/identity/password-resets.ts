import type { Account, Nouns } from '../../store/store.ts'
import type { Dependencies } from '../dependencies.ts'
import { actorOf, type Audit } from '../records/audit.ts'
import { recordRevoked } from './open-sessions.ts'

/** Stands in audit events in the place of a call. */
const OPERATOR = {
  requestId: 'reset-password',
  address: '',
  auditable: ['password.reset', 'session.revoked', 'user.changed'],
} as const

/** An operator's request. It carries the password as a hash, never in the clear. */
export type PasswordReset = { email: string; passwordHash: string; enable: boolean }

export type ResetOutcome =
  | { kind: 'done'; role: 'user' | 'admin'; isDisabled: boolean; enabledAdmins: number }
  | { kind: 'unknown-account'; admins: string[] }

type Deps = Pick<Dependencies, 'store' | 'clock'> & {
  audit: Audit
  /** Are called with what was revoked and changed, after the transaction has committed. */
  onRevoked: (sessionIds: readonly string[], at: Date) => void
  onChanged: (account: Account) => void
}

/** Sets passwords for an operator, who has the database and need not know the old password. */
export class PasswordResets {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Revokes every session of the account. A disabled account stays disabled unless `enable` is set.
   */
  async reset(asked: PasswordReset): Promise<ResetOutcome> {
    const { store, clock, onRevoked, onChanged } = this.#deps
    const now = clock.now()
    const done = await store.atomically((nouns) => this.#apply(nouns, asked, now))
    if (!done) return { kind: 'unknown-account', admins: await this.#adminEmails() }
    const { account, enabledAdmins } = done
    onRevoked(done.revoked, now)
    if (done.isEnabling) onChanged(account)
    const role = account.role === 'admin' ? 'admin' : 'user'
    return { kind: 'done', role, isDisabled: account.disabledAt !== undefined, enabledAdmins }
  }

  async #apply(nouns: Nouns, { email, passwordHash, enable }: PasswordReset, now: Date) {
    const { audit } = this.#deps
    const found = await nouns.accounts.findByEmail(email)
    if (!found) return undefined
    const { id } = found
    if (!(await nouns.accounts.resetPassword({ id, to: passwordHash, now }))) return undefined
    const revoked = await nouns.sessions.revokeOwned({ accountId: id, now })
    await audit.record(nouns, OPERATOR, { event: 'password.reset', target: actorOf(found) })
    await recordRevoked(nouns, audit, { accountId: id, ids: revoked, call: OPERATOR })
    const isEnabling = enable && found.disabledAt !== undefined
    const account = isEnabling ? await this.#enable(nouns, found) : found
    const { length: enabledAdmins } = await nouns.standings.lockAdmins()
    return { account, revoked, isEnabling, enabledAdmins }
  }

  async #enable(nouns: Nouns, account: Account): Promise<Account> {
    const { clock, audit } = this.#deps
    const [id, now] = [account.id, clock.now()]
    const changed = await nouns.standings.change({ id, changes: { disabled: false }, now })
    const act = { event: 'user.changed', target: actorOf(account), changed: ['disabled'] } as const
    await audit.record(nouns, OPERATOR, act)
    return changed ?? account
  }

  /** For an operator who has mistyped or forgotten the email. */
  async #adminEmails(): Promise<string[]> {
    const admins = await this.#deps.store.accounts.list({ roles: ['admin'], limit: 10 })
    return admins.flatMap(({ email }) => email ?? [])
  }
}
