import type { IncomingHttpHeaders } from 'node:http'
import { EngineFailure } from '../../engine.ts'
import { readRefusal } from '../refusals/refusal.ts'
import { UpstreamRefused } from '../refusals/upstream-refused.ts'

/** Worth a retry: the upstream was overloaded, unavailable or slow. */
const TRANSIENT_STATUSES = new Set([429, 502, 503, 504, 529])
const TIMEOUT_STATUSES = new Set([408, 504])
/** The most that is passed on of an upstream's Retry-After. */
const LONGEST_RETRY_AFTER_SECONDS = 3_600

type ResponseHead = { statusCode: number; headers: IncomingHttpHeaders }

/**
 * The failure that a status other than 200 stands for.
 * @param body as far as it was read
 */
export function statusFailure(response: ResponseHead, body: string, now: Date): EngineFailure {
  const { statusCode: status, headers } = response
  const refusal = readRefusal(status, body)
  if (refusal) return new UpstreamRefused(refusal)
  const retryAfterSeconds = readRetryAfter(headers['retry-after'], now)
  const code = TIMEOUT_STATUSES.has(status) ? 'upstream-timeout' : 'upstream-failed'
  return new EngineFailure(code, `the upstream answered ${status}`, {
    isPassing: TRANSIENT_STATUSES.has(status),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  })
}

/**
 * The failure of a connection that could not be made or broke off. The messages of such errors may
 * hold addresses: only their codes are kept.
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

/** Any other failure of the upstream. @param message for the log, without text of the upstream */
export function upstreamFailed(message: string): EngineFailure {
  return new EngineFailure('upstream-failed', message)
}

/** RFC 9110 10.2.3: seconds or a date. Anything else is ignored. */
function readRetryAfter(value: string | undefined, now: Date): number | undefined {
  if (value === undefined) return undefined
  const untilMs = Date.parse(value) - now.getTime()
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil(untilMs / 1_000)
  if (Number.isNaN(seconds)) return undefined
  return Math.min(Math.max(seconds, 1), LONGEST_RETRY_AFTER_SECONDS)
}
