import type { Dependencies } from '../dependencies.ts'
import type { Account } from '../../store/store.ts'
import { type Act, type Audit } from '../records/audit.ts'
import type { Call } from '../calls/call.ts'
import { keepAnAdmin } from './last-admin.ts'
import { refuseStale } from '../versions.ts'
import type { Standing } from './standing.ts'

/** The bare row of a closed account stays while credentials may be out that name it. */
const KEEP_ROW_MS = 86_400_000

export type AccountClosing = ReturnType<typeof createAccountClosing>

type Deps = Pick<Dependencies, 'store' | 'clock' | 'log'> & {
  audit: Audit
  standing: Standing
  /** Stops what is being generated for an account. */
  stopGenerating: (accountId: string) => void
  /** How long an access token lives. */
  ttlSeconds: number
}

/**
 * Ends an account in two steps, since it may own more than one statement can remove: one transaction
 * takes away its names and credentials, and then what it owned is removed bit by bit. If the second
 * is cut off, any instance goes on with it within the hour.
 */
export function createAccountClosing(deps: Deps) {
  const { store, clock, audit, standing } = deps

  const sweep = async (id: string): Promise<void> => {
    while (await store.closedAccounts.sweep(id));
    while (await store.closedAccounts.disownUsage(id));
    // Of what was refused, or exported, at the moment of the closing.
    await store.auditEvents.forgetAddresses(id)
  }

  return {
    /** @throws {Problem} precondition-failed; invalid-request for the last administrator */
    async close(
      account: Account,
      how: { expectedVersions: readonly number[] | undefined; call: Call; act: Act },
    ): Promise<void> {
      const { id } = account
      const { expectedVersions, call, act } = how
      const closed = await store.atomically(async (nouns) => {
        // Whatever the role was when it was read: it may have become an administrator since.
        if (account.role !== 'service') await keepAnAdmin(nouns, id)
        const now = clock.now()
        const gone = await nouns.standings.close({
          id,
          now,
          ...(expectedVersions && { expectedVersions }),
        })
        if (!gone) return undefined
        await audit.record(nouns, call, act)
        await nouns.auditEvents.forgetAddresses(id)
        return gone
      })
      if (!closed) return refuseStale(await store.accounts.find(id), expectedVersions)
      standing.note(closed)
      deps.stopGenerating(id)
      await sweep(id).catch((error: unknown) => {
        deps.log.warn({ err: error }, 'closed account not removed yet: a later sweep removes it')
      })
    },

    /** Removes what closed accounts have left, and their rows once nothing can name them. */
    async sweepAll(): Promise<void> {
      const oldest = clock.now().getTime() - KEEP_ROW_MS - deps.ttlSeconds * 1000
      for (const { id, closedAt } of await store.closedAccounts.list()) {
        await sweep(id)
        if (closedAt.getTime() < oldest) await store.closedAccounts.remove(id)
      }
    },
  }
}
