import type { LimitPolicy } from '../../contract/extensions.ts'
import type { Limiter, TakeOptions, Tally } from '../../ports/limiter/limiter.ts'
import { Problem } from '../problem.ts'
import type { AccountStatus } from '../access/account-status.ts'

/** What a policy counts: its name and whom. */
export type Charge = { policy: string; subject: string }

/** What is left of one limit for one subject. */
export type LimitState = Tally & { policy: string }

/** The policies that an account may have a quota of its own for. */
const PERSONAL: Readonly<
  Record<string, { limit: 'hourly' | 'chatPerMinute'; windowSeconds: number }>
> = {
  user: { limit: 'hourly', windowSeconds: 3600 },
  chat: { limit: 'chatPerMinute', windowSeconds: 60 },
}

/** Quotas that an operator sets instead of the contract's, by policy name. */
export type LimitOverrides = Readonly<Record<string, { quota: number; windowSeconds: number }>>

export type Limits = ReturnType<typeof createLimits>

/**
 * The limits of the contract, with the operator's overrides and those of single accounts.
 * @param policies of the contract's `x-rate-limits`
 * @param overrides by policy name; a policy without one counts as the contract says
 */
export function createLimits(
  policies: Readonly<Record<string, LimitPolicy>>,
  overrides: LimitOverrides,
  limiter: Limiter,
  accountStatus: Pick<AccountStatus, 'limitsOf'>,
) {
  const quotas = new Map(
    Object.entries(policies).map(([name, policy]) => [name, { ...policy, ...overrides[name] }]),
  )
  const quotaOf = (name: string) => {
    const quota = quotas.get(name)
    if (!quota) throw new Error(`There is no limit ${name} in the contract`)
    return quota
  }
  const counterOf = ({ policy, subject }: Charge) => {
    const { quota, windowSeconds } = personalQuota(policy, subject) ?? quotaOf(policy)
    return { name: policy, subject, quota, windowSeconds }
  }
  /** What an administrator has given this account, if the policy is one that can be given. */
  const personalQuota = (policy: string, accountId: string) => {
    const personal = PERSONAL[policy]
    if (!personal) return undefined
    const quota = accountStatus.limitsOf(accountId)?.[personal.limit]
    return quota === undefined ? undefined : { quota, windowSeconds: personal.windowSeconds }
  }

  /** Counts, and tells what was spent instead of refusing. */
  const take = async (charges: readonly Charge[], options?: TakeOptions) => {
    if (charges.length === 0) return { all: [], spent: [] }
    const tallies = await limiter.take(charges.map(counterOf), options)
    const all = tallies.map((tally, i) => ({ ...tally, policy: charges[i]!.policy }))
    return { all, spent: all.filter(({ spent }) => spent) }
  }

  return {
    quotaOf,
    take,

    /**
     * Counts the call against every charge, or against none if one is spent.
     * The states are kept in `call.limits`, for its headers, in both cases.
     * @throws {Problem} quota-exceeded
     */
    async charge(
      call: { limits: LimitState[]; charges: Charge[] },
      charges: readonly Charge[],
    ): Promise<void> {
      const states = await take(charges)
      call.limits.push(...states.all)
      refuseSpent(states.spent)
      call.charges.push(...charges)
    },

    /** Gives back all that the call was counted for, and shows it so. */
    async refund(call: { limits: LimitState[]; charges: Charge[] }): Promise<void> {
      const charges = call.charges.splice(0)
      for (const charge of charges) await limiter.giveBack(counterOf(charge))
      for (const state of call.limits) {
        if (!charges.some(({ policy }) => policy === state.policy)) continue
        state.remaining = Math.min(state.quota, state.remaining + 1)
      }
    },

    /**
     * Counts without showing more than what refuses: for what must not be seen by a caller who is
     * nobody yet. While the shared store is away it refuses: a guesser would have as many tries as
     * there are instances.
     * @throws {Problem} quota-exceeded
     * @throws LimiterUnavailable
     */
    async chargeUnseen(call: { limits: LimitState[] }, charges: readonly Charge[]): Promise<void> {
      const { spent } = await take(charges, { whenDown: 'refuse' })
      call.limits.push(...spent)
      refuseSpent(spent)
    },

    /** Gives one point back. */
    async giveBack(charge: Charge): Promise<void> {
      await limiter.giveBack(counterOf(charge))
    },

    /** Forgets what was counted. */
    async clear(charge: Charge): Promise<void> {
      await limiter.clear(counterOf(charge))
    },

    /** What is left, without counting. */
    async peek(charges: readonly Charge[]): Promise<LimitState[]> {
      const tallies = await limiter.peek(charges.map(counterOf))
      return tallies.map((tally, i) => ({ ...tally, policy: charges[i]!.policy }))
    },
  }
}

function refuseSpent(spent: readonly LimitState[]): void {
  if (spent.length === 0) return
  throw new Problem('quota-exceeded', {
    violatedPolicies: spent.map(({ policy }) => policy),
    retryAfterSeconds: Math.max(1, ...spent.map((state) => Math.ceil(state.resetsInMs / 1000))),
  })
}
