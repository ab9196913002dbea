import type { Dependencies } from '../dependencies.ts'
import type { Account, Nouns } from '../../store/store.ts'
import { actorOf, type Audit } from '../records/audit.ts'
import { recordRevoked } from './open-sessions.ts'

/** What the record of acts says instead of a call. */
const OPERATOR = {
  requestId: 'reset-password',
  address: '',
  auditable: ['password.reset', 'session.revoked', 'user.changed'],
} as const

/** What an operator decides of an account: its password as a hash, never in the clear. */
export type PasswordReset = { email: string; passwordHash: string; enable: boolean }

/** What came of it, for whoever asked. */
export type ResetOutcome =
  | { kind: 'done'; role: 'user' | 'admin'; isDisabled: boolean; enabledAdmins: number }
  | { kind: 'unknown-account'; admins: string[] }

type Deps = Pick<Dependencies, 'store' | 'clock'> & {
  audit: Audit
  /** Hears of what has ended and changed, after the database has it. */
  note: {
    ended: (sessionIds: readonly string[], at: Date) => void
    changed: (account: Account) => void
  }
}

export type PasswordResets = ReturnType<typeof createPasswordResets>

/** Setting a password that nobody has to know before: for whoever has the database anyway. */
export function createPasswordResets({ store, clock, audit, note }: Deps) {
  const enable = async (nouns: Nouns, account: Account): Promise<Account> => {
    const [id, now] = [account.id, clock.now()]
    const changed = await nouns.standings.change({ id, changes: { disabled: false }, now })
    const act = { event: 'user.changed', target: actorOf(account), changed: ['disabled'] } as const
    await audit.record(nouns, OPERATOR, act)
    return changed ?? account
  }

  return {
    /** Every session of the account ends with it. A disabled account stays so unless told. */
    async reset({ email, passwordHash, ...asked }: PasswordReset): Promise<ResetOutcome> {
      const now = clock.now()
      const done = await store.atomically(async (nouns) => {
        const found = await nouns.accounts.findByEmail(email)
        if (!found) return undefined
        const { id } = found
        if (!(await nouns.accounts.resetPassword({ id, to: passwordHash, now }))) return undefined
        const ended = await nouns.sessions.revokeOwned({ accountId: id, now })
        const act = { event: 'password.reset', target: actorOf(found) } as const
        await audit.record(nouns, OPERATOR, act)
        await recordRevoked(nouns, audit, { accountId: id, ids: ended, call: OPERATOR })
        const isEnabling = asked.enable && found.disabledAt !== undefined
        const account = isEnabling ? await enable(nouns, found) : found
        const { length: enabledAdmins } = await nouns.standings.lockAdmins()
        return { account, ended, isEnabling, enabledAdmins }
      })
      if (!done) return { kind: 'unknown-account', admins: await adminsOf(store) }
      const { account, enabledAdmins } = done
      note.ended(done.ended, now)
      if (done.isEnabling) note.changed(account)
      const role = account.role === 'admin' ? 'admin' : 'user'
      return { kind: 'done', role, isDisabled: account.disabledAt !== undefined, enabledAdmins }
    },
  }
}

/** Whoever has the database may know them, and has perhaps forgotten the address. */
async function adminsOf(store: Deps['store']): Promise<string[]> {
  const admins = await store.accounts.list({ roles: ['admin'], limit: 10 })
  return admins.flatMap(({ email }) => email ?? [])
}
