import { describe, expect, test } from 'vitest'
import { HashQueueFull } from '../../src/ports/passwords/passwords.ts'
import type { Tokens } from '../support/client.ts'
import {
  BY_ACCOUNT,
  BY_ADDRESS,
  callerAt,
  codeOf,
  expectExceeded,
  passwordCheck,
  unknownEmail,
  server,
  takeWork,
} from './brute-force.given.ts'

describe('a login with the right password', () => {
  test('resets the count of its account at that address, and at no other', async () => {
    const { email, password } = (await server.createUser()).identity
    const [home, attacker] = [callerAt(), callerAt()]
    for (let i = 0; i < BY_ACCOUNT.quota - 1; i += 1) {
      expect((await home.logIn(email)).status).toBe(401)
    }
    for (let i = 0; i < BY_ACCOUNT.quota; i += 1) {
      expect((await attacker.logIn(email)).status).toBe(401)
    }

    expect((await home.logIn(email, password)).status).toBe(200)

    for (let i = 0; i < BY_ACCOUNT.quota; i += 1) {
      expect((await home.logIn(email)).status).toBe(401)
    }
    expectExceeded(await home.logIn(email, password), 'sign-in-account')
    expectExceeded(await attacker.logIn(email, password), 'sign-in-account')
  })

  test('does not reset the count of another account', async () => {
    const [victim, own] = [await server.createUser(), await server.createUser()]
    const attacker = callerAt()

    for (let i = 0; i < BY_ACCOUNT.quota; i += 1) {
      expect((await attacker.logIn(victim.identity.email)).status).toBe(401)
      expect((await attacker.logIn(own.identity.email, own.identity.password)).status).toBe(200)
      expect((await attacker.changePassword(own, own.identity.password)).status).toBe(204)
    }

    expectExceeded(await attacker.logIn(victim.identity.email), 'sign-in-account')
  })

  test('is not counted, not even many times concurrently', async () => {
    const { email, password } = (await server.createUser()).identity
    const caller = callerAt()

    for (let i = 0; i < 10; i += 1) {
      const logins = Array.from({ length: BY_ACCOUNT.quota - 1 }, () =>
        caller.logIn(email, password),
      )
      for (const { status } of await Promise.all(logins)) expect(status).toBe(200)
    }

    expect(await caller.countRemaining()).toBe(BY_ADDRESS.quota)
  })

  test('leaves nothing counted after fifty concurrent calls, some of which may be refused', async () => {
    const { email, password } = (await server.createUser()).identity
    const caller = callerAt()
    const logins = Array.from({ length: 50 }, () => caller.logIn(email, password))

    // Each success resets the count of the account, so the calls in progress may exceed that of the address.
    for (const { status, body } of await Promise.all(logins)) {
      if (status === 200) continue
      const { code, violatedPolicies = [] } = body
      expect([status, code]).toEqual([429, 'quota-exceeded'])
      expect(['sign-in-account', 'sign-in-address']).toEqual(
        expect.arrayContaining(violatedPolicies),
      )
    }

    for (let i = 0; i < BY_ACCOUNT.quota; i += 1) {
      expect((await caller.logIn(email)).status).toBe(401)
    }

    expectExceeded(await caller.logIn(email), 'sign-in-account')
    expect(await caller.countRemaining()).toBe(BY_ADDRESS.quota - BY_ACCOUNT.quota)
  })

  test('is not counted when the password could not be checked, and neither is a wrong one', async () => {
    const { email, password } = (await server.createUser()).identity
    const caller = callerAt()

    passwordCheck.failure = new HashQueueFull(3)
    const tries = Array.from({ length: 20 }, (_, i) =>
      caller.logIn(email, i % 2 === 0 ? password : 'a wrong guess'),
    )
    // More calls than the quota are in progress, so some are refused without a check.
    for (const { status } of await Promise.all(tries)) expect([503, 429]).toContain(status)
    passwordCheck.failure = new Error('bcrypt broke')
    for (let i = 0; i < 10; i += 1) expect((await caller.logIn(email)).status).toBe(500)
    passwordCheck.failure = undefined

    expect((await caller.logIn(email, password)).status).toBe(200)
    expect(await caller.countRemaining()).toBe(BY_ADDRESS.quota)
  })
})

describe('PUT /auth/password', () => {
  test('shares its count with logins, hashes nothing once it is exceeded, and keeps the session', async () => {
    const alice = await server.createUser()
    const { email, password } = alice.identity
    const attacker = callerAt()
    takeWork()

    for (let i = 0; i < BY_ACCOUNT.quota; i += 1) {
      const answer =
        i % 2 === 0 ? await attacker.changePassword(alice) : await attacker.logIn(email)
      expect([answer.status, codeOf(answer)]).toEqual([401, 'invalid-credentials'])
    }

    expect(takeWork()).toHaveLength(BY_ACCOUNT.quota)
    expectExceeded(await attacker.changePassword(alice), 'sign-in-account')
    expectExceeded(await attacker.changePassword(alice, password), 'sign-in-account')
    expectExceeded(await attacker.logIn(email, password), 'sign-in-account')
    expect(takeWork()).toEqual([])
    await alice.expect(200, 'getProfile', { headers: attacker.headers })
    expect((await callerAt().changePassword(alice, password)).status).toBe(204)
  })

  test('is refused when the address has failed too often with other accounts', async () => {
    const alice = await server.createUser()
    const attacker = callerAt()

    await attacker.failLogins(BY_ADDRESS.quota)

    expectExceeded(await attacker.changePassword(alice, alice.identity.password), 'sign-in-address')
  })

  test('gets five attempts from fifty concurrent calls with wrong passwords', async () => {
    const alice = await server.createUser()
    const attacker = callerAt()
    takeWork()

    const answers = await Promise.all(
      Array.from({ length: 50 }, () => attacker.changePassword(alice)),
    )

    expect(answers.filter(({ status }) => status === 401)).toHaveLength(BY_ACCOUNT.quota)
    for (const answer of answers) {
      if (answer.status !== 401) expectExceeded(answer, 'sign-in-account')
    }
    expect(takeWork()).toHaveLength(BY_ACCOUNT.quota)
  })

  test('is not counted with the right password and a weak new one', async () => {
    const alice = await server.createUser()
    const caller = callerAt()

    for (let i = 0; i < BY_ACCOUNT.quota + 2; i += 1) {
      const body = { currentPassword: alice.identity.password, newPassword: 'short' }
      await alice.refused('weak-password', 'changePassword', { headers: caller.headers, body })
    }

    expect(await caller.countRemaining()).toBe(BY_ADDRESS.quota)
  })
})

describe('POST /auth/refresh', () => {
  test('counts every kind of invalid token for the address', async () => {
    const attacker = callerAt()
    const [reused, loggedOut] = [await server.createUser(), await server.createUser()]
    const first = reused.identity.refreshToken
    const second = await attacker.refresh(first)
    expect(second.status).toBe(200)
    const third = await attacker.refresh((second.body as Tokens).refreshToken)
    expect(third.status).toBe(200)
    await loggedOut.expect(204, 'logOut', { body: { scope: 'current' } })
    const last = first.at(-1) === 'A' ? 'B' : 'A'
    const failing = [
      'junk',
      first.slice(0, -1) + last,
      `parley_refresh_${'A'.repeat(75)}`,
      reused.identity.accessToken.slice(0, 500),
      first,
      first,
      loggedOut.identity.refreshToken,
    ]

    for (const refreshToken of failing)
      expect((await attacker.refresh(refreshToken)).status).toBe(401)

    expect(await attacker.countRemaining()).toBe(BY_ADDRESS.quota - failing.length)
  })

  test('accepts a valid token after any number of invalid ones, which keep returning 401', async () => {
    const attacker = callerAt()
    const { email, password, refreshToken } = (await server.createUser()).identity

    const junk = Array.from({ length: 50 }, () => attacker.refresh('junk'))
    for (const answer of await Promise.all(junk)) {
      expect([answer.status, codeOf(answer)]).toEqual([401, 'token-invalid'])
    }

    expect((await attacker.refresh('junk')).status).toBe(401)
    expect((await attacker.refresh(refreshToken)).status).toBe(200)
    expectExceeded(await attacker.logIn(email, password), 'sign-in-address')
    expect((await callerAt().logIn(email, password)).status).toBe(200)
  })

  test('counts no valid token', async () => {
    const caller = callerAt()
    let { refreshToken } = (await server.createUser()).identity

    for (let i = 0; i < BY_ADDRESS.quota + 5; i += 1) {
      const answer = await caller.refresh(refreshToken)
      if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
      ;({ refreshToken } = answer.body)
    }

    expect(await caller.countRemaining()).toBe(BY_ADDRESS.quota)
  })
})

describe('POST /auth/login', () => {
  test('counts and hashes nothing when the request is invalid', async () => {
    const caller = callerAt()

    for (let i = 0; i < 10; i += 1) {
      expect((await caller.logIn('no address')).status).toBe(400)
      expect((await caller.logIn(unknownEmail(), '')).status).toBe(400)
      expect((await caller.logIn(unknownEmail(), 'x'.repeat(257))).status).toBe(400)
    }

    expect(takeWork()).toEqual([])
    expect(await caller.countRemaining()).toBe(BY_ADDRESS.quota)
  })
})
