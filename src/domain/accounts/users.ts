import type { Dependencies } from '../dependencies.ts'
import type { Account, AccountChanges as Changes, PersonalLimits } from '../../store/store.ts'
import type { AccountChanges } from './account-updates.ts'
import type { AccountClosing } from './account-closure.ts'
import type { Access } from '../access/access.ts'
import { listAccounts } from './account-list.ts'
import { actorOf, type Audit } from '../records/audit.ts'
import type { Call } from '../calls/call.ts'
import { requireEmail } from '../identity/emails.ts'
import { keepAnAdmin } from './last-admin.ts'
import type { HashNewPassword } from '../identity/new-passwords.ts'
import type { Page, PageRequest } from '../lists/paging.ts'
import type { Principal } from '../access/principal.ts'
import { Problem } from '../problem.ts'
import { requireScopes, scopesOf } from '../access/scopes.ts'
import { cutLine } from '../text/single-line.ts'
import { refuseStale } from '../calls/entity-tags.ts'

export type UserRole = 'user' | 'admin'
export type NewUser = { email: string; password: string; displayName: string; role: UserRole }
export type UserChanges = {
  displayName?: string
  role?: UserRole
  disabled?: boolean
  limits?: PersonalLimits
}

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'cursors'> & {
  access: Access
  audit: Audit
  changes: AccountChanges
  closing: AccountClosing
  hashNewPassword: HashNewPassword
}
type Versions = readonly number[] | undefined

/** Administering those who can log in. */
export function createUsers(deps: Deps) {
  const { store, clock, access, audit } = deps

  return {
    read: (id: string): Promise<Account> => access.user(id),

    /** The newest first. */
    list: (
      asked: PageRequest & { q?: string; role?: UserRole; disabled?: boolean },
    ): Promise<Page<Account>> => {
      const { role, ...rest } = asked
      const roles = role === undefined ? (['user', 'admin'] as const) : [role]
      return listAccounts(deps, { list: 'users', roles, ...rest })
    },

    /** @throws {Problem} insufficient-scope, email-taken, weak-password */
    async create(caller: Principal, asked: NewUser, call: Call): Promise<Account> {
      requireScopes(caller, scopesOf(asked.role))
      const account = {
        id: deps.ids.next(),
        role: asked.role,
        email: requireEmail(asked.email),
        displayName: cutLine(asked.displayName),
        passwordHash: await deps.hashNewPassword(asked.password, call.hungUp),
        now: clock.now(),
      }
      return store.atomically(async (nouns) => {
        const user = await nouns.accounts.create(account)
        if (user === 'email-taken') throw new Problem('email-taken')
        const [actor, target] = [actorOf(caller), actorOf(user)]
        await audit.record(nouns, call, { event: 'user.created', actor, target })
        return user
      })
    },

    /** @throws {Problem} not-found, insufficient-scope, precondition-failed; invalid-request for the last administrator */
    async change(
      caller: Principal,
      id: string,
      asked: UserChanges,
      how: { expectedVersions: Versions; call: Call },
    ): Promise<Account> {
      const user = await access.userToManage(caller, id)
      if (asked.role !== undefined) requireScopes(caller, scopesOf(asked.role))
      const changed = await deps.changes.apply(user.id, {
        ...how,
        changes: trimmed(asked),
        act: {
          event: 'user.changed',
          actor: actorOf(caller),
          target: actorOf(user),
          changed: Object.keys(asked),
        },
        async require(nouns) {
          if (asked.role === 'user' || asked.disabled === true) await keepAnAdmin(nouns, user.id)
        },
      })
      if (!changed) return refuseStale(await access.user(id), how.expectedVersions)
      return changed
    },

    /** @throws {Problem} not-found, insufficient-scope, precondition-failed; invalid-request for the last administrator */
    async remove(
      caller: Principal,
      id: string,
      how: { expectedVersions: Versions; call: Call },
    ): Promise<void> {
      const user = await access.userToManage(caller, id)
      const act = { event: 'user.deleted', actor: actorOf(caller), target: actorOf(user) } as const
      await deps.closing.close(user, { ...how, act })
    },
  }
}

function trimmed({ displayName, ...changes }: UserChanges): Changes {
  return { ...changes, ...(displayName !== undefined && { displayName: cutLine(displayName) }) }
}
