import type { Account, AccountChanges, Nouns } from '../../store/store.ts'
import { type AccountStatus, statusOf } from '../access/account-status.ts'
import type { GuardedCall } from '../calls/entity-tags.ts'
import type { Dependencies } from '../dependencies.ts'
import type { Act, Audit } from '../records/audit.ts'

export type AccountUpdate = GuardedCall & {
  changes: AccountChanges
  act: Act
  /** Throws when the update is not allowed; runs in the transaction that makes it. */
  require?: (nouns: Nouns) => Promise<void>
}
type Deps = Pick<Dependencies, 'store' | 'clock'> & { audit: Audit; accountStatus: AccountStatus }

/** Updates accounts on behalf of administrators, with an audit event, from the next call on. */
export class AccountUpdates {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Returns undefined when the account has none of the expected versions, or does not exist. */
  async apply(id: string, update: AccountUpdate): Promise<Account | undefined> {
    const { store, clock, audit, accountStatus } = this.#deps
    const { changes, expectedVersions, call, act, require } = update
    const changed = await store.atomically(async (nouns) => {
      await require?.(nouns)
      const account = await nouns.standings.change({
        id,
        changes,
        now: clock.now(),
        ...(expectedVersions && { expectedVersions }),
      })
      if (account) await audit.record(nouns, call, act)
      return account
    })
    if (changed) accountStatus.update(statusOf(changed))
    return changed
  }
}
