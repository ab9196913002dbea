import type { Account, Conversation, Store } from '../store/store.ts'
import type { Principal } from './principal.ts'
import { Problem } from './problem.ts'

export type Access = ReturnType<typeof createAccess>

/**
 * Finds a thing *for* a principal, or refuses. A thing of somebody else is refused like one that
 * does not exist, so that nobody learns what others have. Queries that change something carry the
 * owner's id themselves and end in `found`.
 */
export function createAccess(store: Store) {
  return {
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
