import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { startServer, type TestServer } from '../support/server.ts'

describe('the limit on failed logins', () => {
  const QUOTA = 5
  let guarded: TestServer
  let nextAddress = 1
  beforeAll(async () => {
    const env = {
      RATE_LIMIT_SIGN_IN_ACCOUNT: `${QUOTA}/900`,
      RATE_LIMIT_SIGN_IN_ADDRESS: '12/900',
      TRUST_PROXY: '1',
    }
    guarded = await startServer({ env })
  })
  afterAll(() => guarded.close())

  /** Returns a client at an IP address without failed logins. */
  function createClientAtNewAddress() {
    const headers = { 'X-Forwarded-For': `192.0.2.${nextAddress++}` }
    const request = (email: string, password: string) => ({ headers, body: { email, password } })
    return {
      logIn: (email: string, password: string) =>
        guarded.anonymous.expect(200, 'logIn', request(email, password)),
      refused: (code: Problem['code'], email: string, password = 'wrong') =>
        guarded.anonymous.refused(code, 'logIn', request(email, password)),
      refresh: (refreshToken: string) =>
        guarded.anonymous.call('refreshTokens', { headers, body: { refreshToken } }),
    }
  }

  test('refuses the sixth login to an account from one address, with the right password, too', async () => {
    const { email, password } = (await guarded.createUser()).identity
    const attacker = createClientAtNewAddress()
    for (let i = 0; i < QUOTA; i += 1) await attacker.refused('invalid-credentials', email)

    const { body, headers } = await attacker.refused('quota-exceeded', email)

    expect(body.violatedPolicies).toEqual(['sign-in-account'])
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(900)
    expect(headers['ratelimit']).toContain('"sign-in-account";r=0;')

    await attacker.refused('quota-exceeded', email, password)
    await attacker.refused('quota-exceeded', ` ${email.toUpperCase()}`)
  })

  test('blocks neither the account at another address nor another account at the same address', async () => {
    const [victim, neighbour] = await Promise.all([guarded.createUser(), guarded.createUser()])
    const attacker = createClientAtNewAddress()

    for (let i = 0; i < QUOTA; i += 1) {
      await attacker.refused('invalid-credentials', victim.identity.email)
    }

    await createClientAtNewAddress().logIn(victim.identity.email, victim.identity.password)
    await attacker.logIn(neighbour.identity.email, neighbour.identity.password)
    await attacker.refused('quota-exceeded', victim.identity.email)
  })

  test('starts from zero after a successful login', async () => {
    const { email, password } = (await guarded.createUser()).identity
    const client = createClientAtNewAddress()
    for (let i = 0; i < QUOTA - 1; i += 1) await client.refused('invalid-credentials', email)

    await client.logIn(email, password)

    for (let i = 0; i < QUOTA; i += 1) await client.refused('invalid-credentials', email)
    await client.refused('quota-exceeded', email)
  })

  test('applies to unknown emails, too, so that it does not reveal accounts', async () => {
    const attacker = createClientAtNewAddress()
    const email = `${randomUUID()}@example.com`
    for (let i = 0; i < QUOTA; i += 1) await attacker.refused('invalid-credentials', email)

    const { body } = await attacker.refused('quota-exceeded', email)

    expect(body.violatedPolicies).toEqual(['sign-in-account'])
  })

  test('refuses an address that tries many emails', async () => {
    const attacker = createClientAtNewAddress()
    const unknownEmail = () => `${randomUUID()}@example.com`
    for (let i = 0; i < 12; i += 1) await attacker.refused('invalid-credentials', unknownEmail())

    const { body } = await attacker.refused('quota-exceeded', unknownEmail())

    expect(body.violatedPolicies).toEqual(['sign-in-address'])
  })

  test('allows five of twenty concurrent logins', async () => {
    const { email } = (await guarded.createUser()).identity
    const headers = { 'X-Forwarded-For': `192.0.2.${nextAddress++}` }
    const body = { email, password: 'wrong' }

    const responses = await Promise.all(
      Array.from({ length: 20 }, () => guarded.anonymous.call('logIn', { headers, body })),
    )

    expect(responses.filter(({ status }) => status === 401)).toHaveLength(QUOTA)
    expect(responses.filter(({ status }) => status === 429)).toHaveLength(20 - QUOTA)
  })

  test('counts invalid refresh tokens for the address and never refuses a valid one', async () => {
    const { email, password } = (await guarded.createUser()).identity
    const attacker = createClientAtNewAddress()
    const { refreshToken } = (await attacker.logIn(email, password)).body
    for (let i = 0; i < 14; i += 1) expect((await attacker.refresh('junk')).status).toBe(401)

    await attacker.refused('quota-exceeded', email, password)

    expect((await attacker.refresh(refreshToken)).status).toBe(200)
  })

  test('does not count successful logins', async () => {
    const { email, password } = (await guarded.createUser()).identity
    const client = createClientAtNewAddress()
    for (let i = 0; i < 15; i += 1) await client.logIn(email, password)
  })
})
