import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import type { Client } from '../support/client.ts'
import { policies } from '../support/contract/contract.ts'
import { createCountedPasswords } from '../support/counted-passwords.ts'
import { startServer, type TestServer } from '../support/server.ts'

/** The quotas as the contract has them. */
export const BY_ADDRESS = policies.limits['sign-in-address']!

export const BY_ACCOUNT = policies.limits['sign-in-account']!

export const env = {
  TRUST_PROXY: '1',
  RATE_LIMIT_SIGN_IN_ADDRESS: `${BY_ADDRESS.quota}/${BY_ADDRESS.windowSeconds}`,
  RATE_LIMIT_SIGN_IN_ACCOUNT: `${BY_ACCOUNT.quota}/${BY_ACCOUNT.windowSeconds}`,
}

export const { passwords, takeWork } = createCountedPasswords()

/** Set, it is what every check of a password fails with. */
export let failure: Error | undefined

export let server: TestServer

let nextAddress = 1

beforeAll(async () => {
  const verify: typeof passwords.verify = (password, hash) =>
    failure ? Promise.reject(failure) : passwords.verify(password, hash)
  server = await startServer({
    env,
    replacements: { deps: { passwords: { ...passwords, verify } } },
  })
})

afterAll(() => server.close())

beforeEach(() => void takeWork())

afterEach(() => {
  failure = undefined
})

export const nobody = () => `${randomUUID()}@example.com`

export const newAddress = () => `198.51.100.${nextAddress++}`

export const codeOf = ({ body }: { body: unknown }) => (body as Problem).code

/** Somebody who tries things, at an address of their own unless told otherwise. */
export function at(address = newAddress()) {
  const headers = { 'X-Forwarded-For': address }
  const logIn = (email: string, password = 'a wrong guess') =>
    server.anonymous.call('logIn', { headers, body: { email, password } })
  return {
    headers,
    logIn,
    refresh: (refreshToken: string) =>
      server.anonymous.call('refreshTokens', { headers, body: { refreshToken } }),
    changePassword: (who: Client, currentPassword = 'a wrong guess') =>
      who.call('changePassword', {
        headers,
        body: { currentPassword, newPassword: who.identity.password },
      }),
    /** Fails so often, each time for an account that nobody else has tried. */
    async spray(times: number) {
      for (let i = 0; i < times; i += 1) expect((await logIn(nobody())).status).toBe(401)
    },
    /** How many more failures the address has left, which this spends. */
    async countWhatIsLeft() {
      for (let left = 0; ; left += 1) if ((await logIn(nobody())).status === 429) return left
    },
  }
}

export function expectSpent(
  answer: { status: number; headers: object; body: unknown },
  policy: string,
) {
  const headers = answer.headers as Record<string, string>
  const { code, violatedPolicies, retryable } = answer.body as Problem
  expect([answer.status, code, violatedPolicies, retryable]).toEqual([
    429,
    'quota-exceeded',
    [policy],
    true,
  ])
  expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
  expect(Number(headers['retry-after'])).toBeLessThanOrEqual(BY_ADDRESS.windowSeconds)
  // What shows are the limit of calls and the one that is spent, which the answer names anyway.
  const { quota, windowSeconds } = policies.limits[policy]!
  expect(headers['ratelimit-policy']!.replace(/^"(anonymous|user)";q=\d+;w=\d+, /, '')).toBe(
    `"${policy}";q=${quota};w=${windowSeconds}`,
  )
  const resets = String(headers['retry-after'])
  expect(headers['ratelimit']!.split(', ').slice(1)).toEqual([`"${policy}";r=0;t=${resets}`])
  expect(headers).not.toHaveProperty('www-authenticate')
}

export function setFailure(value: Error | undefined): void {
  failure = value
}
