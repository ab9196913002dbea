import type { Account, Conversation, Store } from '../../store/store.ts'
import { Problem } from '../problem.ts'
import type { Principal } from './principal.ts'
import { requireScopes, scopesOfAccount } from './scopes.ts'

/**
 * Finds a resource for a principal, or refuses. A resource of another account is refused like one
 * that does not exist, so that a caller learns nothing about other accounts. A query that changes a
 * resource carries its owner's id and ends in `found`. Whether a caller may administer is the
 * contract's `x-scopes`; here an administrator finds a user only among users, and a service account
 * only among service accounts.
 */
export class Access {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** @throws {Problem} not-found */
  async user(id: string): Promise<Account> {
    const account = found(await this.#store.accounts.find(id))
    return found(account.role === 'service' ? undefined : account)
  }

  /** @throws {Problem} not-found */
  async serviceAccount(id: string): Promise<Account> {
    const account = found(await this.#store.accounts.find(id))
    return found(account.role === 'service' ? account : undefined)
  }

  /**
   * A user without scopes that the caller lacks.
   * @throws {Problem} not-found, insufficient-scope
   */
  async userToManage(caller: Principal, id: string): Promise<Account> {
    return requireManageable(caller, await this.user(id))
  }

  /**
   * A service account without scopes that the caller lacks.
   * @throws {Problem} not-found, insufficient-scope
   */
  async serviceAccountToManage(caller: Principal, id: string): Promise<Account> {
    return requireManageable(caller, await this.serviceAccount(id))
  }

  /** The caller's own account. @throws {Problem} token-invalid, account-disabled */
  async account(caller: Principal): Promise<Account> {
    const account = await this.#store.accounts.find(caller.id)
    // A token outlives an account that was closed a moment ago.
    if (!account) throw new Problem('token-invalid')
    if (account.disabledAt) throw new Problem('account-disabled')
    return account
  }

  /** A conversation of the caller. @throws {Problem} not-found */
  async conversation(caller: Principal, id: string): Promise<Conversation> {
    return found(await this.#store.conversations.find({ id, ownerId: caller.id }))
  }
}

/** Returns the resource. @throws {Problem} not-found when it is undefined */
export function found<T>(resource: T | undefined): T {
  if (resource === undefined) throw new Problem('not-found')
  return resource
}

function requireManageable(caller: Principal, account: Account): Account {
  requireScopes(caller, scopesOfAccount(account))
  return account
}
