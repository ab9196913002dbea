import { describe, expect, test } from 'vitest'
import { HashQueueFull } from '../../src/ports/passwords/passwords.ts'
import {
  BY_ACCOUNT,
  BY_ADDRESS,
  at,
  codeOf,
  expectSpent,
  nobody,
  server,
  setFailure,
  takeWork,
} from './brute-force.given.ts'

describe('a right password', () => {
  test('clears what its account was charged at that address, and at no other', async () => {
    const { email, password } = (await server.createUser()).identity
    const [home, thief] = [at(), at()]
    for (let i = 0; i < BY_ACCOUNT.quota - 1; i += 1) {
      expect((await home.logIn(email)).status).toBe(401)
    }
    for (let i = 0; i < BY_ACCOUNT.quota; i += 1) {
      expect((await thief.logIn(email)).status).toBe(401)
    }
    expect((await home.logIn(email, password)).status).toBe(200)

    for (let i = 0; i < BY_ACCOUNT.quota; i += 1) {
      expect((await home.logIn(email)).status).toBe(401)
    }
    expectSpent(await home.logIn(email, password), 'sign-in-account')
    expectSpent(await thief.logIn(email, password), 'sign-in-account')
  })

  test('of another account clears nothing', async () => {
    const [victim, own] = [await server.createUser(), await server.createUser()]
    const thief = at()

    for (let i = 0; i < BY_ACCOUNT.quota; i += 1) {
      expect((await thief.logIn(victim.identity.email)).status).toBe(401)
      expect((await thief.logIn(own.identity.email, own.identity.password)).status).toBe(200)
      expect((await thief.changePassword(own, own.identity.password)).status).toBe(204)
    }

    expectSpent(await thief.logIn(victim.identity.email), 'sign-in-account')
  })

  test('costs nothing, forty times over and many at once', async () => {
    const { email, password } = (await server.createUser()).identity
    const person = at()

    for (let i = 0; i < 10; i += 1) {
      const logins = Array.from({ length: BY_ACCOUNT.quota - 1 }, () =>
        person.logIn(email, password),
      )
      for (const { status } of await Promise.all(logins)) expect(status).toBe(200)
    }

    expect(await person.countWhatIsLeft()).toBe(BY_ADDRESS.quota)
  })

  test('of fifty at once leaves nothing counted, though some had to wait', async () => {
    const { email, password } = (await server.createUser()).identity
    const person = at()
    const logins = Array.from({ length: 50 }, () => person.logIn(email, password))
    // Each that is right frees the account's tries at once, so those on their way may spend the address's.
    for (const { status, body } of await Promise.all(logins)) {
      if (status === 200) continue
      const { code, violatedPolicies = [] } = body
      expect([status, code]).toEqual([429, 'quota-exceeded'])
      expect(['sign-in-account', 'sign-in-address']).toEqual(
        expect.arrayContaining(violatedPolicies),
      )
    }

    for (let i = 0; i < BY_ACCOUNT.quota; i += 1) {
      expect((await person.logIn(email)).status).toBe(401)
    }

    expectSpent(await person.logIn(email), 'sign-in-account')
    expect(await person.countWhatIsLeft()).toBe(BY_ADDRESS.quota - BY_ACCOUNT.quota)
  })

  test('that could not be checked costs nothing, nor does a wrong one', async () => {
    const { email, password } = (await server.createUser()).identity
    const person = at()
    setFailure(new HashQueueFull(3))
    const tries = Array.from({ length: 20 }, (_, i) =>
      person.logIn(email, i % 2 === 0 ? password : 'a wrong guess'),
    )
    // More than its quota are in the air at once, and are refused unseen.
    for (const { status } of await Promise.all(tries)) expect([503, 429]).toContain(status)

    setFailure(new Error('bcrypt broke'))
    for (let i = 0; i < 10; i += 1) expect((await person.logIn(email)).status).toBe(500)
    setFailure(undefined)
    expect((await person.logIn(email, password)).status).toBe(200)
    expect(await person.countWhatIsLeft()).toBe(BY_ADDRESS.quota)
  })
})

describe('PUT /auth/password', () => {
  test('shares the count with logging in, is refused unhashed, and leaves the session alone', async () => {
    const alice = await server.createUser()
    const { email, password } = alice.identity
    const thief = at()
    takeWork()
    for (let i = 0; i < BY_ACCOUNT.quota; i += 1) {
      const answer = i % 2 === 0 ? await thief.changePassword(alice) : await thief.logIn(email)
      expect([answer.status, codeOf(answer)]).toEqual([401, 'invalid-credentials'])
    }
    expect(takeWork()).toHaveLength(BY_ACCOUNT.quota)
    expectSpent(await thief.changePassword(alice), 'sign-in-account')
    expectSpent(await thief.changePassword(alice, password), 'sign-in-account')
    expectSpent(await thief.logIn(email, password), 'sign-in-account')
    expect(takeWork()).toEqual([])

    await alice.expect(200, 'getProfile', { headers: thief.headers })
    expect((await at().changePassword(alice, password)).status).toBe(204)
  })

  test('is refused when the address has failed too often elsewhere', async () => {
    const alice = await server.createUser()
    const thief = at()

    await thief.spray(BY_ADDRESS.quota)

    expectSpent(await thief.changePassword(alice, alice.identity.password), 'sign-in-address')
  })

  test('fifty at once with wrong passwords get exactly five tries', async () => {
    const alice = await server.createUser()
    const thief = at()
    takeWork()
    const answers = await Promise.all(Array.from({ length: 50 }, () => thief.changePassword(alice)))
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(BY_ACCOUNT.quota)

    for (const answer of answers) {
      if (answer.status !== 401) expectSpent(answer, 'sign-in-account')
    }
    expect(takeWork()).toHaveLength(BY_ACCOUNT.quota)
  })

  test('with a right password and a weak new one costs no try', async () => {
    const alice = await server.createUser()
    const person = at()

    for (let i = 0; i < BY_ACCOUNT.quota + 2; i += 1) {
      const body = { currentPassword: alice.identity.password, newPassword: 'short' }
      await alice.refused('weak-password', 'changePassword', { headers: person.headers, body })
    }

    expect(await person.countWhatIsLeft()).toBe(BY_ADDRESS.quota)
  })
})

describe('a refresh token that fails', () => {
  test('counts for the address, whatever is wrong with it', async () => {
    const thief = at()
    const [reused, loggedOut] = [await server.createUser(), await server.createUser()]
    const first = reused.identity.refreshToken
    const second = await thief.refresh(first)
    expect(second.status).toBe(200)
    expect(
      (await thief.refresh((second.body as { refreshToken: string }).refreshToken)).status,
    ).toBe(200)

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
    for (const refreshToken of failing) expect((await thief.refresh(refreshToken)).status).toBe(401)
    expect(await thief.countWhatIsLeft()).toBe(BY_ADDRESS.quota - failing.length)
  })

  test('never keeps a right one out, and is never refused itself, however many there are', async () => {
    const thief = at()

    const { email, password, refreshToken } = (await server.createUser()).identity
    const junk = Array.from({ length: 50 }, () => thief.refresh('junk'))

    for (const answer of await Promise.all(junk)) {
      expect([answer.status, codeOf(answer)]).toEqual([401, 'token-invalid'])
    }
    expect((await thief.refresh('junk')).status).toBe(401)
    expect((await thief.refresh(refreshToken)).status).toBe(200)
    expectSpent(await thief.logIn(email, password), 'sign-in-address')
    expect((await at().logIn(email, password)).status).toBe(200)
  })

  test('and one that is right costs nothing', async () => {
    const person = at()
    let { refreshToken } = (await server.createUser()).identity

    for (let i = 0; i < BY_ADDRESS.quota + 5; i += 1) {
      const answer = await person.refresh(refreshToken)
      if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
      ;({ refreshToken } = answer.body)
    }

    expect(await person.countWhatIsLeft()).toBe(BY_ADDRESS.quota)
  })
})

describe('what no password was tried with', () => {
  test('costs no try and no hash: a body that does not fit, an email that is none', async () => {
    const person = at()

    for (let i = 0; i < 10; i += 1) {
      expect((await person.logIn('no address')).status).toBe(400)
      expect((await person.logIn(nobody(), '')).status).toBe(400)
      expect((await person.logIn(nobody(), 'x'.repeat(257))).status).toBe(400)
    }

    expect(takeWork()).toEqual([])
    expect(await person.countWhatIsLeft()).toBe(BY_ADDRESS.quota)
  })
})
