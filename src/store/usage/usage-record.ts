/** Unknown token counts are 0 here: the sums are over what is known. */
export type UsageBucket = {
  /** In UTC, the full hour or midnight. */
  startAt: Date
  /** Generations that ended. */
  requests: number
  /** Answers with text that was kept. */
  messages: number
  inputTokens: number
  outputTokens: number
  totalTokens: number
}

export type UsageQuery = {
  /** Absent: of all accounts. */
  accountId?: string
  /** Included. */
  from: Date
  /** Not included. */
  to: Date
  granularity: 'hour' | 'day'
}

/** What one answer took. */
export type UsageRecord = {
  generationId: string
  at: Date
  inputTokens?: number
  outputTokens?: number
  totalTokens?: number
  source?: 'upstream' | 'estimated'
}
