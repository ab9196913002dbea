import type { IncomingHttpHeaders } from 'node:http'
import { EngineFailure } from '../../engine.ts'
import { readRefusal } from '../refusals/refusal.ts'
import { UpstreamRefused } from '../refusals/upstream-refused.ts'

/** Worth another try: what was full, away or slow may not be any more. */
const PASSING_STATUSES = new Set([429, 502, 503, 504, 529])
const TIMEOUT_STATUSES = new Set([408, 504])
/** What we tell of an upstream's Retry-After at the most, in seconds. */
const LONGEST_RETRY_AFTER_SECONDS = 3_600

type Answered = { statusCode: number; headers: IncomingHttpHeaders }

/**
 * What a status other than 200 means.
 * @param body of the answer, as far as it was read
 */
export function statusFailure(answered: Answered, body: string, now: Date): EngineFailure {
  const { statusCode: status, headers } = answered
  const refusal = readRefusal(status, body)
  if (refusal) return new UpstreamRefused(refusal)
  const retryAfterSeconds = readRetryAfter(headers['retry-after'], now)
  const code = TIMEOUT_STATUSES.has(status) ? 'upstream-timeout' : 'upstream-failed'
  return new EngineFailure(code, `the upstream answered ${status}`, {
    isPassing: PASSING_STATUSES.has(status),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  })
}

/**
 * What it means that the connection could not be made or broke. The texts of such errors may hold
 * addresses: only their codes are kept.
 */
export function connectionFailure(error: unknown): EngineFailure {
  if (error instanceof EngineFailure) return error
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const found = (cause as { code?: unknown } | undefined)?.code
  const why = typeof found === 'string' ? found : 'unknown reason'
  const code = why === 'UND_ERR_CONNECT_TIMEOUT' ? 'upstream-timeout' : 'upstream-failed'
  const isPassing = why !== 'UND_ERR_RES_EXCEEDED_MAX_SIZE'
  return new EngineFailure(code, `the connection failed (${why})`, { isPassing })
}

/** RFC 9110 10.2.3: seconds or a date. What is neither was not said. */
function readRetryAfter(value: string | undefined, now: Date): number | undefined {
  if (value === undefined) return undefined
  const untilMs = Date.parse(value) - now.getTime()
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil(untilMs / 1_000)
  if (Number.isNaN(seconds)) return undefined
  return Math.min(Math.max(seconds, 1), LONGEST_RETRY_AFTER_SECONDS)
}
