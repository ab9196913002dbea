import type { ServerResponse } from 'node:http'
import type { LimitState } from '../../domain/limits/limits.ts'

/**
 * Sets `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11: lists of quoted
 * policy names, `q` calls in `w` seconds, `r` remaining for `t` seconds. None if nothing was counted.
 */
export function setLimitHeaders(res: ServerResponse, limits: readonly LimitState[]): void {
  if (limits.length === 0) return
  let policies = ''
  let states = ''
  for (const { policy, quota, windowSeconds, remaining, resetsInMs } of limits) {
    const comma = policies === '' ? '' : ', '
    policies += `${comma}"${policy}";q=${quota};w=${windowSeconds}`
    states += `${comma}"${policy}";r=${remaining};t=${Math.ceil(resetsInMs / 1000)}`
  }
  res.setHeader('RateLimit-Policy', policies)
  res.setHeader('RateLimit', states)
}
