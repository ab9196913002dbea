import type { Dependencies } from '../dependencies.ts'
import type { Account, AccountChanges as Changes, Nouns } from '../../store/store.ts'
import type { Act, Audit } from '../records/audit.ts'
import type { Call } from '../calls/call.ts'
import type { Standing } from '../access/account-status.ts'

export type AccountChanges = ReturnType<typeof createAccountChanges>

type Change = {
  changes: Changes
  expectedVersions: readonly number[] | undefined
  call: Call
  act: Act
  /** What must hold in the transaction that makes the change; it throws otherwise. */
  require?: (nouns: Nouns) => Promise<void>
}
type Deps = Pick<Dependencies, 'store' | 'clock'> & { audit: Audit; standing: Standing }

/** Changing what an account is or may do, with its record, from the next call on. */
export function createAccountChanges({ store, clock, audit, standing }: Deps) {
  return {
    /** Undefined when the account has none of the expected versions, or is gone. */
    async apply(id: string, change: Change): Promise<Account | undefined> {
      const { changes, expectedVersions, call, act, require } = change
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
      if (changed) noteChange(standing, changed)
      return changed
    },
  }
}

/** Lets an instance know what it has just changed itself. */
export function noteChange(standing: Standing, account: Account): void {
  const { id, role, scopes, limits, version, disabledAt } = account
  standing.note({ id, role, scopes, limits, version, state: disabledAt ? 'disabled' : 'active' })
}
