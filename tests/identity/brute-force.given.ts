import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import type { Client } from '../support/client.ts'
import { policies } from '../support/contract/contract.ts'
import { createCountedPasswords } from '../support/counted-passwords.ts'
import { startServer, type TestServer } from '../support/server.ts'

/** The limits of the contract. */
export const BY_ADDRESS = policies.limits['sign-in-address']!

export const BY_ACCOUNT = policies.limits['sign-in-account']!

export const env = {
  TRUST_PROXY: '1',
  RATE_LIMIT_SIGN_IN_ADDRESS: `${BY_ADDRESS.quota}/${BY_ADDRESS.windowSeconds}`,
  RATE_LIMIT_SIGN_IN_ACCOUNT: `${BY_ACCOUNT.quota}/${BY_ACCOUNT.windowSeconds}`,
}

export const { passwords, takeWork } = createCountedPasswords()

/** With a failure, every check of a password rejects with it. */
export const passwordCheck: { failure?: Error | undefined } = {}

export let server: TestServer

let nextAddress = 1

beforeAll(async () => {
  const verify: typeof passwords.verify = (password, hash) =>
    passwordCheck.failure ? Promise.reject(passwordCheck.failure) : passwords.verify(password, hash)
  server = await startServer({
    env,
    replacements: { deps: { passwords: { ...passwords, verify } } },
  })
})

afterAll(() => server.close())

beforeEach(() => void takeWork())

afterEach(() => {
  passwordCheck.failure = undefined
})

export const unknownEmail = () => `${randomUUID()}@example.com`

export const newAddress = () => `198.51.100.${nextAddress++}`

export const codeOf = ({ body }: { body: unknown }) => (body as Problem).code

/** A caller at an address, by default one that no other caller has. */
export function callerAt(address = newAddress()) {
  const headers = { 'X-Forwarded-For': address }
  const logIn = (email: string, password = 'a wrong guess') =>
    server.anonymous.call('logIn', { headers, body: { email, password } })
  return {
    headers,
    logIn,
    refresh: (refreshToken: string) =>
      server.anonymous.call('refreshTokens', { headers, body: { refreshToken } }),
    changePassword: (user: Client, currentPassword = 'a wrong guess') =>
      user.call('changePassword', {
        headers,
        body: { currentPassword, newPassword: user.identity.password },
      }),
    /** Fails this often, each time with another unknown email. */
    async failLogins(times: number) {
      for (let i = 0; i < times; i += 1) expect((await logIn(unknownEmail())).status).toBe(401)
    },
    /** Fails until the address is refused. @returns how many failures remained */
    async countRemaining() {
      for (let left = 0; ; left += 1) if ((await logIn(unknownEmail())).status === 429) return left
    },
  }
}

/** Expects a 429 that names this policy and when to retry. */
export function expectExceeded(
  response: { status: number; headers: object; body: unknown },
  policy: string,
) {
  const headers = response.headers as Record<string, string>
  const { code, violatedPolicies, retryable } = response.body as Problem
  expect([response.status, code, violatedPolicies, retryable]).toEqual([
    429,
    'quota-exceeded',
    [policy],
    true,
  ])
  expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
  expect(Number(headers['retry-after'])).toBeLessThanOrEqual(BY_ADDRESS.windowSeconds)
  // The headers show the general limit and the exceeded one, which the body names anyway, and no other.
  const { quota, windowSeconds } = policies.limits[policy]!
  expect(headers['ratelimit-policy']!.replace(/^"(anonymous|user)";q=\d+;w=\d+, /, '')).toBe(
    `"${policy}";q=${quota};w=${windowSeconds}`,
  )
  const resets = String(headers['retry-after'])
  expect(headers['ratelimit']!.split(', ').slice(1)).toEqual([`"${policy}";r=0;t=${resets}`])
  expect(headers).not.toHaveProperty('www-authenticate')
}
