import type { Account, Standing } from '../../store/store.ts'
import type { AccountStatus } from '../access/account-status.ts'
import { type GuardedCall, refuseStale } from '../calls/entity-tags.ts'
import type { Dependencies } from '../dependencies.ts'
import { type Act, type Audit } from '../records/audit.ts'
import { keepAnAdmin } from './last-admin.ts'

/** The bare row of a closed account is kept while credentials may be in use that name it. */
const KEEP_ROW_MS = 86_400_000

type Closure = GuardedCall & { act: Act }
type Deps = Pick<Dependencies, 'store' | 'clock' | 'log'> & {
  audit: Audit
  accountStatus: AccountStatus
  /** Stops the answers that are being generated for an account. */
  stopGenerating: (accountId: string) => void
  /** The lifetime of an access token. */
  ttlSeconds: number
}

/**
 * Closes accounts in two steps, since an account may own more than one statement can remove: one
 * transaction removes its names and credentials, and then its data is removed in batches. If the
 * second step is interrupted, any instance continues it within the hour.
 */
export class AccountClosure {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * @throws {Problem} not-found, precondition-failed; invalid-request for the last administrator
   */
  async close(account: Account, closure: Closure): Promise<void> {
    const { store, accountStatus, stopGenerating, log } = this.#deps
    const { id } = account
    const closed = await this.#markClosed(account, closure)
    if (!closed) return refuseStale(await store.accounts.find(id), closure.expectedVersions)
    accountStatus.update(closed)
    stopGenerating(id)
    await this.#sweep(id).catch((error: unknown) => {
      log.warn({ err: error }, 'closed account not removed yet: a later sweep removes it')
    })
  }

  /**
   * Removes the remaining data of closed accounts, and their rows once no credential can name them.
   */
  async sweepAll(): Promise<void> {
    const { store, clock, ttlSeconds } = this.#deps
    const oldestMs = clock.now().getTime() - KEEP_ROW_MS - ttlSeconds * 1000
    for (const { id, closedAt } of await store.closedAccounts.list()) {
      await this.#sweep(id)
      if (closedAt.getTime() < oldestMs) await store.closedAccounts.remove(id)
    }
  }

  #markClosed({ id, role }: Account, closure: Closure): Promise<Standing | undefined> {
    const { store, clock, audit } = this.#deps
    const { expectedVersions, call, act } = closure
    return store.atomically(async (nouns) => {
      // A user who was none when the row was read may have become an administrator since.
      if (role !== 'service') await keepAnAdmin(nouns, id)
      const versions = expectedVersions && { expectedVersions }
      const closed = await nouns.standings.close({ id, now: clock.now(), ...versions })
      if (!closed) return undefined
      await audit.record(nouns, call, act)
      await nouns.auditEvents.forgetAddresses(id)
      return closed
    })
  }

  async #sweep(id: string): Promise<void> {
    const { closedAccounts, auditEvents } = this.#deps.store
    while (await closedAccounts.sweep(id));
    while (await closedAccounts.disownUsage(id));
    // An event that was recorded outside the closing transaction may have come after it.
    await auditEvents.forgetAddresses(id)
  }
}
