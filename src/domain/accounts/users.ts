import type { Account, AccountChanges, PersonalLimits } from '../../store/store.ts'
import type { Access } from '../access/access.ts'
import type { Principal } from '../access/principal.ts'
import { requireScopes, scopesOf } from '../access/scopes.ts'
import type { Call } from '../calls/call.ts'
import { type GuardedCall, refuseStale } from '../calls/entity-tags.ts'
import type { Dependencies } from '../dependencies.ts'
import { requireEmail } from '../identity/emails.ts'
import type { HashNewPassword } from '../identity/new-passwords.ts'
import type { Page, PageRequest } from '../lists/paging.ts'
import { Problem } from '../problem.ts'
import { actorOf, type Audit } from '../records/audit.ts'
import { cutLine } from '../text/single-line.ts'
import type { AccountClosure } from './account-closure.ts'
import { listAccounts } from './account-list.ts'
import type { AccountUpdates } from './account-updates.ts'
import { keepAnAdmin } from './last-admin.ts'

export type UserRole = 'user' | 'admin'
export type NewUser = { email: string; password: string; displayName: string; role: UserRole }
export type UserChanges = {
  displayName?: string
  role?: UserRole
  disabled?: boolean
  limits?: PersonalLimits
}
type UserFilter = { q?: string; role?: UserRole; disabled?: boolean }

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'cursors'> & {
  access: Access
  audit: Audit
  updates: AccountUpdates
  closure: AccountClosure
  hashNewPassword: HashNewPassword
}

/** Administers users. */
export class Users {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** @throws {Problem} not-found */
  read(id: string): Promise<Account> {
    return this.#deps.access.user(id)
  }

  /** The newest first. */
  list({ role, ...rest }: PageRequest & UserFilter): Promise<Page<Account>> {
    const roles = role === undefined ? (['user', 'admin'] as const) : [role]
    return listAccounts(this.#deps, { list: 'users', roles, ...rest })
  }

  /** @throws {Problem} insufficient-scope, email-taken, weak-password */
  async create(caller: Principal, asked: NewUser, call: Call): Promise<Account> {
    const { store, clock, ids, audit, hashNewPassword } = this.#deps
    requireScopes(caller, scopesOf(asked.role))
    const account = {
      id: ids.next(),
      role: asked.role,
      email: requireEmail(asked.email),
      displayName: cutLine(asked.displayName),
      passwordHash: await hashNewPassword(asked.password, call.hungUp),
      now: clock.now(),
    }
    return store.atomically(async (nouns) => {
      const user = await nouns.accounts.create(account)
      if (user === 'email-taken') throw new Problem('email-taken')
      const [actor, target] = [actorOf(caller), actorOf(user)]
      await audit.record(nouns, call, { event: 'user.created', actor, target })
      return user
    })
  }

  /**
   * @throws {Problem} not-found, insufficient-scope, precondition-failed; invalid-request for the
   *   last administrator
   */
  async change(
    caller: Principal,
    id: string,
    asked: UserChanges,
    how: GuardedCall,
  ): Promise<Account> {
    const { access, updates } = this.#deps
    const user = await access.userToManage(caller, id)
    if (asked.role !== undefined) requireScopes(caller, scopesOf(asked.role))
    const changed = await updates.apply(user.id, {
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
  }

  /**
   * @throws {Problem} not-found, insufficient-scope, precondition-failed; invalid-request for the
   *   last administrator
   */
  async remove(caller: Principal, id: string, how: GuardedCall): Promise<void> {
    const user = await this.#deps.access.userToManage(caller, id)
    const act = { event: 'user.deleted', actor: actorOf(caller), target: actorOf(user) } as const
    await this.#deps.closure.close(user, { ...how, act })
  }
}

function trimmed({ displayName, ...changes }: UserChanges): AccountChanges {
  return { ...changes, ...(displayName !== undefined && { displayName: cutLine(displayName) }) }
}
