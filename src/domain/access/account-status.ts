import type { Clock } from '../../ports/clock/clock.ts'
import type { Account, PersonalLimits, Standing, Store } from '../../store/store.ts'
import { Problem } from '../problem.ts'
import { ChangeFeed, OVERLAP_MS } from './change-feed.ts'
import type { Principal } from './principal.ts'
import { knownScopes, scopesOf } from './scopes.ts'

type Deps = { store: Pick<Store, 'standings'>; clock: Clock }

/**
 * The current status of the accounts that were changed while credentials are in use that say
 * otherwise, and of those with limits of their own. It is held in memory, so that no call queries
 * the database: it grows with what administrators do, not with the number of accounts.
 */
export class AccountStatus {
  readonly #store: Deps['store']
  readonly #clock: Clock
  readonly #keepSeconds: number
  readonly #changed = new Map<string, Standing & { noticedAtMs: number }>()
  readonly #limits = new Map<string, PersonalLimits>()
  #hasReadLimits = false
  /** The accounts that other instances change. */
  readonly feed: ChangeFeed

  /** @param keepSeconds the longest time a credential is trusted; a change is kept for that long */
  constructor({ store, clock }: Deps, keepSeconds: number) {
    this.#store = store
    this.#clock = clock
    this.#keepSeconds = keepSeconds
    this.feed = new ChangeFeed(clock, keepSeconds * 1000, (since) => this.#read(since))
  }

  /**
   * Returns the principal with its current role and scopes, whatever its credential says.
   * @throws {Problem} token-invalid for a closed account, account-disabled
   */
  apply<P extends Principal>(principal: P): P {
    const status = this.#changed.get(principal.id)
    if (!status) return principal
    if (status.state === 'closed') throw new Problem('token-invalid')
    if (status.state === 'disabled') throw new Problem('account-disabled')
    const { role } = status
    const scopes = role === 'service' ? knownScopes(status.scopes) : scopesOf(role)
    return { ...principal, role, scopes }
  }

  /** When this instance noticed the last change of the account, on the monotonic clock. */
  noticedAtMs(accountId: string): number | undefined {
    return this.#changed.get(accountId)?.noticedAtMs
  }

  /** The quotas that the account has instead of the server's. */
  limitsOf(accountId: string): PersonalLimits | undefined {
    return this.#limits.get(accountId)
  }

  /** Takes over a change that this instance has made, after the transaction has committed. */
  update(status: Standing): void {
    // A reading that started before the change may end after it, with the older version.
    if (status.version <= (this.#changed.get(status.id)?.version ?? 0)) return
    this.#changed.set(status.id, { ...status, noticedAtMs: this.#clock.monotonicMs() })
    this.#updateLimits(status)
  }

  #updateLimits({ id, limits, state }: Standing): void {
    const hasLimits = Object.keys(limits).length > 0 && state !== 'closed'
    if (hasLimits) this.#limits.set(id, limits)
    else this.#limits.delete(id)
  }

  async #read(since: Date): Promise<void> {
    const { standings } = this.#store
    if (!this.#hasReadLimits) {
      for (const status of await standings.withLimits()) this.#updateLimits(status)
      this.#hasReadLimits = true
    }
    for (const status of await standings.changedSince(since)) this.update(status)
    this.#dropOld()
  }

  #dropOld(): void {
    const oldestMs = this.#clock.monotonicMs() - this.#keepSeconds * 1000 - 2 * OVERLAP_MS
    for (const [id, { noticedAtMs }] of this.#changed) {
      if (noticedAtMs < oldestMs) this.#changed.delete(id)
    }
  }
}

/** The status of an account that is not closed. */
export function statusOf(account: Account): Standing {
  const { id, role, scopes, limits, version, disabledAt } = account
  return { id, role, scopes, limits, version, state: disabledAt ? 'disabled' : 'active' }
}
