import type { Dependencies } from '../dependencies.ts'
import type { UsageBucket } from '../../store/store.ts'
import type { Call } from '../calls/call.ts'
import { addressSubject } from '../limits/limit-subjects.ts'
import { readInstant } from '../text/instants.ts'
import type { LimitState, Limits } from '../limits/limits.ts'
import type { Principal } from '../principal.ts'
import { invalidRequest } from '../problem.ts'

const DAY_MS = 86_400_000
const DEFAULT_SPAN_MS = 30 * DAY_MS
/** How far `from` and `to` may lie apart, in milliseconds, by granularity. */
const LONGEST_SPAN_MS = { hour: 31 * DAY_MS, day: 366 * DAY_MS } as const
/** The limits that belong to a principal. */
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
export type UsageReport = UsageSums & {
  limits: LimitState[]
  /** When the limits were read: their windows end so long after. */
  readAt: Date
}

/** What was used, and what is left. */
export function createUsage({
  store,
  clock,
  limits,
}: Pick<Dependencies, 'store' | 'clock'> & { limits: Limits }) {
  const sumUp = async (asked: UsageSpan, accountId?: string): Promise<UsageSums> => {
    const { granularity = 'day' } = asked
    const to = asked.to === undefined ? clock.now() : timeOf(asked.to, 'to')
    const from =
      asked.from === undefined
        ? new Date(to.getTime() - DEFAULT_SPAN_MS)
        : timeOf(asked.from, 'from')
    checkSpan(from, to, granularity)
    const whose = accountId === undefined ? {} : { accountId }
    const buckets = await store.usage.report({ ...whose, from, to, granularity })
    return { from, to, granularity, totals: sum(buckets), buckets }
  }

  const personal = async ({ id: subject }: Principal) => {
    const charges = PERSONAL_LIMITS.map((policy) => ({ policy, subject }))
    return { limits: await limits.peek(charges), readAt: clock.now() }
  }

  return {
    async report(caller: Principal, asked: UsageSpan): Promise<UsageReport> {
      const sums = await sumUp(asked, caller.id)
      return { ...sums, ...(await personal(caller)) }
    },

    /** What is left to a caller, or to an address without one; nothing is counted. */
    async limitsOf(
      caller: Principal | null,
      { address }: Pick<Call, 'address'>,
    ): Promise<{ limits: LimitState[]; readAt: Date }> {
      if (caller) return personal(caller)
      const charge = { policy: 'anonymous', subject: addressSubject(address) }
      return { limits: await limits.peek([charge]), readAt: clock.now() }
    },

    /** Of everybody, closed accounts included, or of one account. */
    reportAll: ({ accountId, ...span }: UsageSpan & { accountId?: string }): Promise<UsageSums> =>
      sumUp(span, accountId),
  }
}

function timeOf(text: string, pointer: string): Date {
  const time = readInstant(text)
  if (time) return time
  const detail = 'must be a time from 1970 to 9999'
  throw invalidRequest({ in: 'query', pointer, code: 'format', detail })
}

function checkSpan(from: Date, to: Date, granularity: 'hour' | 'day'): void {
  const span = to.getTime() - from.getTime()
  if (span >= 0 && span <= LONGEST_SPAN_MS[granularity]) return
  const days = LONGEST_SPAN_MS[granularity] / DAY_MS
  const detail =
    span < 0
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
