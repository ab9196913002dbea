import type { Account, Conversation, Store } from '../../store/store.ts'
import type { Principal } from './principal.ts'
import { Problem } from '../problem.ts'
import { requireScopes, scopesOfAccount } from './scopes.ts'

export type Access = ReturnType<typeof createAccess>

/**
 * Finds a thing *for* a principal, or refuses. A thing of somebody else is refused like one that
 * does not exist, so that nobody learns what others have. Queries that change something carry the
 * owner's id themselves and end in `found`. Whether a caller may administer is the contract's
 * `x-scopes`; here an administrator finds a user among users and a program among programs.
 */
export function createAccess(store: Store) {
  const user = async (id: string): Promise<Account> => {
    const account = found(await store.accounts.find(id))
    return found(account.role === 'service' ? undefined : account)
  }
  const serviceAccount = async (id: string): Promise<Account> => {
    const account = found(await store.accounts.find(id))
    return found(account.role === 'service' ? account : undefined)
  }
  const toManage = (caller: Principal, account: Account): Account => {
    requireScopes(caller, scopesOfAccount(account))
    return account
  }

  return {
    user,
    serviceAccount,

    /** One who may do no more than the caller. @throws {Problem} not-found, insufficient-scope */
    async userToManage(caller: Principal, id: string): Promise<Account> {
      return toManage(caller, await user(id))
    },

    /** One that may do no more than the caller. @throws {Problem} not-found, insufficient-scope */
    async serviceAccountToManage(caller: Principal, id: string): Promise<Account> {
      return toManage(caller, await serviceAccount(id))
    },

    async account(caller: Principal): Promise<Account> {
      const account = await store.accounts.find(caller.id)
      // The token outlives an account that was closed a moment ago.
      if (!account) throw new Problem('token-invalid')
      if (account.disabledAt) throw new Problem('account-disabled')
      return account
    },

    async conversation(caller: Principal, id: string): Promise<Conversation> {
      return found(await store.conversations.find({ id, ownerId: caller.id }))
    },
  }
}

/** @throws {Problem} not-found for what is not there */
export function found<T>(thing: T | undefined): T {
  if (thing === undefined) throw new Problem('not-found')
  return thing
}
