import type { Clock } from '../../ports/clock/clock.ts'
import type { PersonalLimits, Standing as AccountStanding, Store } from '../../store/store.ts'
import { type ChangeFeed, createChangeFeed, OVERLAP_MS } from './change-feed.ts'
import type { Principal } from './principal.ts'
import { Problem } from '../problem.ts'
import { knownScopes, scopesOf } from './scopes.ts'

export type Standing = ChangeFeed & {
  /**
   * The principal with what it may do now, whatever its credential says.
   * @throws {Problem} token-invalid when the account is closed, account-disabled
   */
  apply<P extends Principal>(principal: P): P
  /** When this instance noticed the last change, on the monotonic clock. */
  noticedAtMs(accountId: string): number | undefined
  /** Quotas of the account instead of the server's. */
  limitsOf(accountId: string): PersonalLimits | undefined
  /** Notes what this instance has just changed, after the database has it. */
  note(standing: AccountStanding): void
}

/**
 * Where accounts stand that were changed while credentials are out which say otherwise, and those
 * with limits of their own. Held in memory, so that no call asks the database: it grows with what
 * administrators do, not with the number of accounts.
 * @param keepSeconds how long a credential may be believed: after that a change need not be
 *   remembered
 */
export function createStanding(
  { store, clock }: { store: Pick<Store, 'standings'>; clock: Clock },
  keepSeconds: number,
): Standing {
  const changed = new Map<string, AccountStanding & { noticedAtMs: number }>()
  const limits = new Map<string, PersonalLimits>()
  let limitsAreRead = false

  const noteLimits = (standing: AccountStanding): void => {
    const isPersonal = Object.keys(standing.limits).length > 0
    if (isPersonal && standing.state !== 'closed') limits.set(standing.id, standing.limits)
    else limits.delete(standing.id)
  }
  const note = (standing: AccountStanding): void => {
    // A reading that was under way while this instance changed the account comes too late.
    if (standing.version <= (changed.get(standing.id)?.version ?? 0)) return
    changed.set(standing.id, { ...standing, noticedAtMs: clock.monotonicMs() })
    noteLimits(standing)
  }
  const forgetOld = (): void => {
    const oldest = clock.monotonicMs() - keepSeconds * 1000 - 2 * OVERLAP_MS
    for (const [id, { noticedAtMs }] of changed) if (noticedAtMs < oldest) changed.delete(id)
  }

  const feed = createChangeFeed(clock, keepSeconds * 1000, async (since) => {
    if (!limitsAreRead) {
      for (const standing of await store.standings.withLimits()) noteLimits(standing)
      limitsAreRead = true
    }
    for (const standing of await store.standings.changedSince(since)) note(standing)
    forgetOld()
  })

  return {
    ...feed,
    note,
    noticedAtMs: (accountId) => changed.get(accountId)?.noticedAtMs,
    limitsOf: (accountId) => limits.get(accountId),
    apply(principal) {
      const standing = changed.get(principal.id)
      if (!standing) return principal
      if (standing.state === 'closed') throw new Problem('token-invalid')
      if (standing.state === 'disabled') throw new Problem('account-disabled')
      const { role } = standing
      const scopes = role === 'service' ? knownScopes(standing.scopes) : scopesOf(role)
      return { ...principal, role, scopes }
    },
  }
}
