/* Sets up a server with small rate limits behind a trusted proxy. */

import { parseList } from 'structured-headers'
import { afterAll, beforeAll, expect } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { startServer, type TestServer } from '../support/server.ts'

export const ANONYMOUS = 40
export const USER = 30
export const CHAT = 5

export let server: TestServer

let nextAddress = 1

/** Returns an IP address from which no test has called yet. */
export const newAddress = () => `198.51.100.${nextAddress++}`

beforeAll(async () => {
  server = await startServer({
    env: {
      RATE_LIMIT_ANONYMOUS: `${ANONYMOUS}/3600`,
      RATE_LIMIT_USER: `${USER}/600`,
      RATE_LIMIT_CHAT: `${CHAT}/60`,
      TRUST_PROXY: '1',
    },
  })
})

afterAll(() => server.close())

/** Returns the header of a client at a new IP address. */
export const fromNewAddress = () => ({ 'X-Forwarded-For': newAddress() })

type State = { quota: number; windowSeconds: number; remaining: number; resetsInSeconds: number }

/** Returns the contents of both headers by policy, read by a public parser. */
export function limitsOf(headers: Record<string, string>): Record<string, State> {
  const lists = ['ratelimit-policy', 'ratelimit'].map((name) => parseList(headers[name] ?? ''))
  const [policies = [], states = []] = lists
  expect(states.map(([name]) => name)).toEqual(policies.map(([name]) => name))
  const all = policies.map(([name, policy], i): [string, State] => {
    const [, state] = states[i]!
    const [quota, windowSeconds] = [policy.get('q'), policy.get('w')] as number[]
    const [remaining, resetsInSeconds] = [state.get('r'), state.get('t')] as number[]
    const numbers = { quota, windowSeconds, remaining, resetsInSeconds } as State
    expect(Object.values(numbers).every((value) => Number.isInteger(value))).toBe(true)
    expect(numbers.resetsInSeconds).toBeLessThanOrEqual(numbers.windowSeconds)
    return [name as string, numbers]
  })
  return Object.fromEntries(all)
}

/** Expects a 429 that names one exceeded policy. */
export function expectRefusal(
  response: { headers: Record<string, string>; body: unknown },
  policy: string,
) {
  const { code, violatedPolicies, retryable } = response.body as Problem
  expect({ code, violatedPolicies, retryable }).toEqual({
    code: 'quota-exceeded',
    violatedPolicies: [policy],
    retryable: true,
  })
  const { remaining, resetsInSeconds } = limitsOf(response.headers)[policy]!
  expect(remaining).toBe(0)
  expect(response.headers['retry-after']).toMatch(/^[1-9]\d*$/)
  expect(Number(response.headers['retry-after'])).toBe(Math.max(1, resetsInSeconds))
}
