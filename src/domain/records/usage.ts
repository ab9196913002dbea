import type { UsageBucket } from '../../store/store.ts'
import type { Principal } from '../access/principal.ts'
import type { Call } from '../calls/call.ts'
import type { Dependencies } from '../dependencies.ts'
import { addressSubject } from '../limits/limit-subjects.ts'
import type { LimitState, Limits } from '../limits/limits.ts'
import { invalidRequest } from '../problem.ts'
import { readInstant } from '../text/instants.ts'

const DAY_MS = 86_400_000
const DEFAULT_SPAN_MS = 30 * DAY_MS
/** The longest time between `from` and `to`, by granularity. */
const LONGEST_SPAN_MS = { hour: 31 * DAY_MS, day: 366 * DAY_MS } as const
/** The rate limits that count by principal. */
const PERSONAL_LIMITS = ['user', 'chat'] as const

export type UsageTotals = Omit<UsageBucket, 'startAt'>
export type UsageSpan = { from?: string; to?: string; granularity?: 'hour' | 'day' }
export type UsageSums = {
  from: Date
  to: Date
  granularity: 'hour' | 'day'
  totals: UsageTotals
  buckets: UsageBucket[]
}
/** The limits as they were at `readAt`; their `resetsInMs` count from then. */
export type LimitsReport = { limits: LimitState[]; readAt: Date }
export type UsageReport = UsageSums & LimitsReport

type Deps = Pick<Dependencies, 'store' | 'clock'> & { limits: Limits }

/** Reports usage, and what remains of the rate limits. */
export class UsageReports {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** The usage and the limits of the caller. @throws {Problem} invalid-request */
  async report(caller: Principal, asked: UsageSpan): Promise<UsageReport> {
    const sums = await this.#sumUp(asked, { accountId: caller.id })
    return { ...sums, ...(await this.#personalLimits(caller)) }
  }

  /** The limits of a caller, or of an address without one. Counts nothing. */
  async limitsOf(
    caller: Principal | null,
    { address }: Pick<Call, 'address'>,
  ): Promise<LimitsReport> {
    if (caller) return this.#personalLimits(caller)
    const { limits, clock } = this.#deps
    const charge = { policy: 'anonymous', subject: addressSubject(address) }
    return { limits: await limits.peek([charge]), readAt: clock.now() }
  }

  /**
   * The usage of one account, or of all, closed ones included.
   * @throws {Problem} invalid-request
   */
  reportAll({ accountId, ...span }: UsageSpan & { accountId?: string }): Promise<UsageSums> {
    return this.#sumUp(span, accountId === undefined ? {} : { accountId })
  }

  async #sumUp(asked: UsageSpan, of: { accountId?: string }): Promise<UsageSums> {
    const { store, clock } = this.#deps
    const { granularity = 'day' } = asked
    const to = asked.to === undefined ? clock.now() : timeOf(asked.to, 'to')
    const from =
      asked.from === undefined
        ? new Date(to.getTime() - DEFAULT_SPAN_MS)
        : timeOf(asked.from, 'from')
    requireSpan(from, to, granularity)
    const buckets = await store.usage.report({ ...of, from, to, granularity })
    return { from, to, granularity, totals: sum(buckets), buckets }
  }

  async #personalLimits({ id: subject }: Principal): Promise<LimitsReport> {
    const { limits, clock } = this.#deps
    const charges = PERSONAL_LIMITS.map((policy) => ({ policy, subject }))
    return { limits: await limits.peek(charges), readAt: clock.now() }
  }
}

function timeOf(text: string, pointer: string): Date {
  const time = readInstant(text)
  if (time) return time
  const detail = 'must be a time from 1970 to 9999'
  throw invalidRequest({ in: 'query', pointer, code: 'format', detail })
}

function requireSpan(from: Date, to: Date, granularity: 'hour' | 'day'): void {
  const spanMs = to.getTime() - from.getTime()
  if (spanMs >= 0 && spanMs <= LONGEST_SPAN_MS[granularity]) return
  const days = LONGEST_SPAN_MS[granularity] / DAY_MS
  const detail =
    spanMs < 0
      ? 'must not be after to'
      : `must be at most ${days} days before to for granularity ${granularity}`
  throw invalidRequest({ in: 'query', pointer: 'from', code: 'span', detail })
}

function sum(buckets: readonly UsageBucket[]): UsageTotals {
  const totals = { requests: 0, messages: 0, inputTokens: 0, outputTokens: 0, totalTokens: 0 }
  for (const bucket of buckets) {
    for (const key of Object.keys(totals) as (keyof UsageTotals)[]) totals[key] += bucket[key]
  }
  return totals
}
