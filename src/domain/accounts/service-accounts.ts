import type { Scope } from '../../../generated/api.ts'
import type { Account } from '../../store/store.ts'
import type { Access } from '../access/access.ts'
import type { Principal } from '../access/principal.ts'
import { requireScopes } from '../access/scopes.ts'
import type { Call } from '../calls/call.ts'
import { type GuardedCall, refuseStale } from '../calls/entity-tags.ts'
import type { Dependencies } from '../dependencies.ts'
import type { Page, PageRequest } from '../lists/paging.ts'
import { actorOf, type Audit } from '../records/audit.ts'
import { cutLine } from '../text/single-line.ts'
import type { AccountClosure } from './account-closure.ts'
import { listAccounts } from './account-list.ts'
import type { AccountUpdates } from './account-updates.ts'

export type ServiceAccountChanges = { name?: string; scopes?: Scope[]; disabled?: boolean }

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'cursors'> & {
  access: Access
  audit: Audit
  updates: AccountUpdates
  closure: AccountClosure
}

/** Administers the accounts of programs that call with API keys. */
export class ServiceAccounts {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** @throws {Problem} not-found */
  read(id: string): Promise<Account> {
    return this.#deps.access.serviceAccount(id)
  }

  /** The newest first. */
  list(asked: PageRequest & { q?: string; disabled?: boolean }): Promise<Page<Account>> {
    return listAccounts(this.#deps, { list: 'service-accounts', roles: ['service'], ...asked })
  }

  /** @throws {Problem} insufficient-scope for a scope that the caller lacks */
  async create(
    caller: Principal,
    { name, scopes }: { name: string; scopes: Scope[] },
    call: Call,
  ): Promise<Account> {
    const { store, clock, ids, audit } = this.#deps
    requireScopes(caller, scopes)
    const id = ids.next()
    return store.atomically(async (nouns) => {
      const fresh = { id, role: 'service', displayName: cutLine(name), scopes } as const
      const account = await nouns.accounts.create({ ...fresh, now: clock.now() })
      if (account === 'email-taken') throw new Error('A service account has no email')
      const [actor, target] = [actorOf(caller), actorOf(account)]
      await audit.record(nouns, call, { event: 'service-account.created', actor, target })
      return account
    })
  }

  /** @throws {Problem} not-found, insufficient-scope, precondition-failed */
  async change(
    caller: Principal,
    id: string,
    asked: ServiceAccountChanges,
    how: GuardedCall,
  ): Promise<Account> {
    const { access, updates } = this.#deps
    const account = await access.serviceAccountToManage(caller, id)
    requireScopes(caller, asked.scopes ?? [])
    const { name, ...rest } = asked
    const changed = await updates.apply(account.id, {
      ...how,
      changes: { ...rest, ...(name !== undefined && { displayName: cutLine(name) }) },
      act: {
        event: 'service-account.changed',
        actor: actorOf(caller),
        target: actorOf(account),
        changed: Object.keys(asked),
      },
    })
    if (!changed) return refuseStale(await access.serviceAccount(id), how.expectedVersions)
    return changed
  }

  /** @throws {Problem} not-found, insufficient-scope, precondition-failed */
  async remove(caller: Principal, id: string, how: GuardedCall): Promise<void> {
    const { access, closure } = this.#deps
    const account = await access.serviceAccountToManage(caller, id)
    const [actor, target] = [actorOf(caller), actorOf(account)]
    const act = { event: 'service-account.deleted', actor, target } as const
    await closure.close(account, { ...how, act })
  }
}
