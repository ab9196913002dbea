import type { LimitPolicy } from '../../contract/extensions.ts'
import type { Counter, Limiter, TakeOptions, Tally } from '../../ports/limiter/limiter.ts'
import { Problem, type ProblemFacts } from '../problem.ts'
import type { AccountStatus } from '../access/account-status.ts'
import type { Charge, LimitState } from './limit-state.ts'

export type { Charge, LimitState } from './limit-state.ts'

/** What charging a call found: the states for its headers, and the refusal if a limit is exceeded. */
export type ChargeOutcome = { states: LimitState[]; refusal?: Problem }

/** The policies that an account may have a quota of its own for. */
const PERSONAL: Readonly<
  Record<string, { limit: 'hourly' | 'chatPerMinute'; windowSeconds: number }>
> = {
  user: { limit: 'hourly', windowSeconds: 3600 },
  chat: { limit: 'chatPerMinute', windowSeconds: 60 },
}

/** Quotas that an operator sets instead of the contract's, by policy name. */
export type LimitOverrides = Readonly<Record<string, { quota: number; windowSeconds: number }>>

/** The limits of the contract, with the operator's overrides and those of single accounts. */
export class Limits {
  readonly #policies: ReadonlyMap<string, LimitPolicy>
  readonly #limiter: Limiter
  readonly #accountStatus: Pick<AccountStatus, 'limitsOf'>

  /**
   * @param policies of the contract's `x-rate-limits`
   * @param overrides by policy name; a policy without one counts as the contract says
   */
  constructor(
    policies: Readonly<Record<string, LimitPolicy>>,
    overrides: LimitOverrides,
    limiter: Limiter,
    accountStatus: Pick<AccountStatus, 'limitsOf'>,
  ) {
    const entries = Object.entries(policies)
    this.#policies = new Map(
      entries.map(([name, policy]) => [name, { ...policy, ...overrides[name] }]),
    )
    this.#limiter = limiter
    this.#accountStatus = accountStatus
  }

  quotaOf(name: string): LimitPolicy {
    const policy = this.#policies.get(name)
    if (!policy) throw new Error(`There is no limit ${name} in the contract`)
    return policy
  }

  /** Counts against every charge, or against none if one limit is exceeded, and says which are. */
  async take(
    charges: readonly Charge[],
    options?: TakeOptions,
  ): Promise<{ all: LimitState[]; spent: LimitState[] }> {
    if (charges.length === 0) return { all: [], spent: [] }
    const all = statesOf(charges, await this.#limiter.take(this.#countersOf(charges), options))
    return { all, spent: all.filter(({ spent }) => spent) }
  }

  /** Counts the call against every charge, or against none if one limit is exceeded. */
  async charge(charges: readonly Charge[]): Promise<ChargeOutcome> {
    const { all, spent } = await this.take(charges)
    return spent.length === 0 ? { states: all } : { states: all, refusal: quotaExceeded(spent) }
  }

  /** Gives back what was counted. @returns the states as they are afterwards */
  async refund(charges: readonly Charge[], states: readonly LimitState[]): Promise<LimitState[]> {
    for (const charge of charges) await this.giveBack(charge)
    const policies = charges.map(({ policy }) => policy)
    return states.map((state) => {
      if (!policies.includes(state.policy)) return state
      return { ...state, remaining: Math.min(state.quota, state.remaining + 1) }
    })
  }

  /**
   * Counts without showing the states to the caller, who is not authenticated yet: only a refusal
   * carries the limits that are exceeded. While the shared store is unavailable it refuses: a
   * guesser would have as many attempts as there are instances.
   * @throws {Problem} quota-exceeded, with those limits in its facts
   * @throws LimiterUnavailable
   */
  async chargeUnseen(charges: readonly Charge[]): Promise<void> {
    const { spent } = await this.take(charges, { whenDown: 'refuse' })
    if (spent.length > 0) throw quotaExceeded(spent, { limits: spent })
  }

  /** Gives one point back. */
  async giveBack(charge: Charge): Promise<void> {
    await this.#limiter.giveBack(this.#counterOf(charge))
  }

  /** Deletes the counter. */
  async clear(charge: Charge): Promise<void> {
    await this.#limiter.clear(this.#counterOf(charge))
  }

  /** Returns what remains, without counting. */
  async peek(charges: readonly Charge[]): Promise<LimitState[]> {
    return statesOf(charges, await this.#limiter.peek(this.#countersOf(charges)))
  }

  #countersOf(charges: readonly Charge[]): Counter[] {
    return charges.map((charge) => this.#counterOf(charge))
  }

  #counterOf({ policy, subject }: Charge): Counter {
    const { quota, windowSeconds } = this.#personalQuota(policy, subject) ?? this.quotaOf(policy)
    return { name: policy, subject, quota, windowSeconds }
  }

  /** The quota that an administrator has set for this account, if the policy allows one. */
  #personalQuota(policy: string, accountId: string) {
    const personal = PERSONAL[policy]
    if (!personal) return undefined
    const quota = this.#accountStatus.limitsOf(accountId)?.[personal.limit]
    return quota === undefined ? undefined : { quota, windowSeconds: personal.windowSeconds }
  }
}

function statesOf(charges: readonly Charge[], tallies: readonly Tally[]): LimitState[] {
  return tallies.map((tally, i) => ({ ...tally, policy: charges[i]!.policy }))
}

function quotaExceeded(spent: readonly LimitState[], facts: ProblemFacts = {}): Problem {
  return new Problem('quota-exceeded', {
    ...facts,
    violatedPolicies: spent.map(({ policy }) => policy),
    retryAfterSeconds: Math.max(1, ...spent.map((state) => Math.ceil(state.resetsInMs / 1000))),
  })
}
