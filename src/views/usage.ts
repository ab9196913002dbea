import type {
  AdminUsageReport,
  LimitState as LimitSchema,
  Usage,
  UsageReport as ReportSchema,
} from '../../generated/api.ts'
import type { LimitState } from '../domain/limits/limits.ts'
import type { UsageReport, UsageSums, UsageTotals } from '../domain/records/usage.ts'
import type { TokenUsage } from '../engine/engine.ts'
import { timestampView } from './timestamp.ts'

/** The tokens of one answer; a count that is unknown is left out. */
export function usageView({ inputTokens, outputTokens, totalTokens, source }: TokenUsage): Usage {
  return {
    ...(inputTokens !== undefined && { inputTokens }),
    ...(outputTokens !== undefined && { outputTokens }),
    ...(totalTokens !== undefined && { totalTokens }),
    source,
  }
}

export function adminUsageReportView(report: UsageSums): AdminUsageReport {
  return {
    from: timestampView(report.from),
    to: timestampView(report.to),
    granularity: report.granularity,
    totals: totalsView(report.totals),
    buckets: report.buckets.map(({ startAt, ...totals }) => ({
      startAt: timestampView(startAt),
      ...totalsView(totals),
    })),
  }
}

export function usageReportView(report: UsageReport): ReportSchema {
  const { from, to, granularity, totals, buckets } = adminUsageReportView(report)
  const limits = report.limits.map((limit) => limitView(limit, report.readAt))
  return { from, to, granularity, totals, buckets, limits }
}

function totalsView(totals: UsageTotals): UsageTotals {
  const { requests, messages, inputTokens, outputTokens, totalTokens } = totals
  return { requests, messages, inputTokens, outputTokens, totalTokens }
}

export function limitView(limit: LimitState, readAt: Date): LimitSchema {
  return {
    policy: limit.policy,
    quota: limit.quota,
    windowSeconds: limit.windowSeconds,
    remaining: limit.remaining,
    resetsAt: timestampView(new Date(readAt.getTime() + limit.resetsInMs)),
  }
}
