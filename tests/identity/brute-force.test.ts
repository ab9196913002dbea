import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { HashQueueFull } from '../../src/ports/passwords/passwords.ts'
import type { Client } from '../support/client.ts'
import { policies } from '../support/contract/contract.ts'
import { createCountedPasswords } from '../support/counted-passwords.ts'
import { openTestStore } from '../support/database/database.ts'
import { createOutageStore } from '../support/database/outage-store.ts'
import { startServer, type TestServer } from '../support/server.ts'

/** The quotas as the contract has them. */
const BY_ADDRESS = policies.limits['sign-in-address']!
const BY_ACCOUNT = policies.limits['sign-in-account']!
const env = {
  TRUST_PROXY: '1',
  RATE_LIMIT_SIGN_IN_ADDRESS: `${BY_ADDRESS.quota}/${BY_ADDRESS.windowSeconds}`,
  RATE_LIMIT_SIGN_IN_ACCOUNT: `${BY_ACCOUNT.quota}/${BY_ACCOUNT.windowSeconds}`,
}

const { passwords, takeWork } = createCountedPasswords()
/** Set, it is what every check of a password fails with. */
let failure: Error | undefined

let server: TestServer
let nextAddress = 1
beforeAll(async () => {
  const verify: typeof passwords.verify = (password, hash) =>
    failure ? Promise.reject(failure) : passwords.verify(password, hash)
  server = await startServer({ env, instead: { deps: { passwords: { ...passwords, verify } } } })
})
afterAll(() => server.close())
beforeEach(() => void takeWork())
afterEach(() => {
  failure = undefined
})

const nobody = () => `${randomUUID()}@example.com`
const newAddress = () => `198.51.100.${nextAddress++}`
const codeOf = ({ body }: { body: unknown }) => (body as Problem).code

/** Somebody who tries things, at an address of their own unless told otherwise. */
function at(address = newAddress()) {
  const headers = { 'X-Forwarded-For': address }
  const logIn = (email: string, password = 'a wrong guess') =>
    server.anybody.call('logIn', { headers, body: { email, password } })
  return {
    headers,
    logIn,
    refresh: (refreshToken: string) =>
      server.anybody.call('refreshTokens', { headers, body: { refreshToken } }),
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

function expectSpent(answer: { status: number; headers: object; body: unknown }, policy: string) {
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

test('the contract allows 30 failures in 15 minutes at an address, and 5 of them for an account', () => {
  expect(BY_ADDRESS).toMatchObject({ quota: 30, windowSeconds: 900, per: 'address' })
  expect(BY_ACCOUNT).toMatchObject({ quota: 5, windowSeconds: 900 })
})

describe('one password for many accounts', () => {
  test('is refused after 30 of them, whether they exist or not, and the rest is never hashed', async () => {
    const thief = at()
    const victims = [await server.newUser(), await server.newUser(), await server.newUser()]
    takeWork()
    for (const { identity } of victims) {
      expect((await thief.logIn(identity.email)).status).toBe(401)
    }
    await thief.spray(BY_ADDRESS.quota - victims.length)
    expect(takeWork()).toHaveLength(BY_ADDRESS.quota)
    for (const email of [nobody(), victims[0]!.identity.email, 'admin@example.com']) {
      expectSpent(await thief.logIn(email), 'sign-in-address')
    }
    const { email, password } = victims[1]!.identity
    expectSpent(await thief.logIn(email, password), 'sign-in-address')
    expect(takeWork()).toEqual([])
  })

  test('is not helped by what the thief claims in front of the proxy, nor by the rest of an IPv6 network', async () => {
    const address = newAddress()
    for (let i = 0; i < BY_ADDRESS.quota; i += 1) {
      const claimed = i % 2 === 0 ? `203.0.113.${i}, ${address}` : `10.0.0.${i}, ::ffff:${address}`
      expect((await at(claimed).logIn(nobody())).status).toBe(401)
    }
    expectSpent(await at(address).logIn(nobody()), 'sign-in-address')
    for (let i = 0; i < BY_ADDRESS.quota; i += 1) {
      const inNetwork = `2001:db8:7:7:${i.toString(16)}::${i}`
      expect((await at(inNetwork).logIn(nobody())).status).toBe(401)
    }
    expectSpent(await at('2001:db8:7:7:ffff::1').logIn(nobody()), 'sign-in-address')
    expect((await at('2001:db8:7:8::1').logIn(nobody())).status).toBe(401)
  })

  test('is not forgiven for a success in between: that gives back its own point alone', async () => {
    const thief = at()
    const own = (await server.newUser()).identity
    for (let i = 0; i < BY_ADDRESS.quota; i += 1) {
      await thief.spray(1)
      if (i === BY_ADDRESS.quota - 1) break
      expect((await thief.logIn(own.email, own.password)).status).toBe(200)
    }
    expectSpent(await thief.logIn(nobody()), 'sign-in-address')
    expectSpent(await thief.logIn(own.email, own.password), 'sign-in-address')
  })

  test('does not keep anyone at another address out, nor who is signed in at the same one', async () => {
    const thief = at()
    const alice = await server.newUser()
    const { email, password, refreshToken } = alice.identity
    await thief.spray(BY_ADDRESS.quota)
    expectSpent(await thief.logIn(email, password), 'sign-in-address')
    await alice.expect(200, 'getProfile', { headers: thief.headers })
    await alice.expect(200, 'sendMessage', { headers: thief.headers, body: { message: 'Hello' } })
    expect((await thief.refresh(refreshToken)).status).toBe(200)
    expect((await at().logIn(email, password)).status).toBe(200)
  })
})

describe('many passwords for one account', () => {
  test('are refused after 5 from one address, in whatever spelling of the email, and never hashed', async () => {
    const thief = at()
    const { email, password } = (await server.newUser()).identity
    takeWork()
    const spellings = [email, email.toUpperCase(), ` ${email}`, `${email}\n`, `\t${email} `]
    for (const spelling of spellings) expect((await thief.logIn(spelling)).status).toBe(401)
    expect(takeWork()).toHaveLength(BY_ACCOUNT.quota)
    for (const spelling of spellings) {
      expectSpent(await thief.logIn(spelling), 'sign-in-account')
      expectSpent(await thief.logIn(spelling, password), 'sign-in-account')
    }
    expect(takeWork()).toEqual([])
    // A try that is refused costs the address nothing.
    expect(await thief.countWhatIsLeft()).toBe(BY_ADDRESS.quota - BY_ACCOUNT.quota)
  })

  test('never lock its owner out at another address, while they go on and from many places', async () => {
    const victim = await server.newUser()
    const { email, password } = victim.identity
    const home = at()
    for (let i = 0; i < 8; i += 1) {
      const thief = at()
      const [owner, ...guesses] = await Promise.all([
        home.logIn(email, password),
        ...Array.from({ length: BY_ACCOUNT.quota + 2 }, () => thief.logIn(email)),
      ])
      expect(owner.status).toBe(200)
      expect(guesses.filter(({ status }) => status === 401)).toHaveLength(BY_ACCOUNT.quota)
      expect((await home.changePassword(victim, password)).status).toBe(204)
    }
  })

  test('fifty at once get exactly five tries, and cost the address exactly five', async () => {
    const thief = at()
    const { email } = (await server.newUser()).identity
    takeWork()
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => thief.logIn(email, `guess number ${i}`)),
    )
    const codes = answers.map(codeOf)
    expect(codes.filter((code) => code === 'invalid-credentials')).toHaveLength(BY_ACCOUNT.quota)
    const refused = answers.filter((answer) => codeOf(answer) === 'quota-exceeded')
    expect(refused).toHaveLength(50 - BY_ACCOUNT.quota)
    for (const answer of refused) expectSpent(answer, 'sign-in-account')
    expect(takeWork()).toHaveLength(BY_ACCOUNT.quota)
    expect(await thief.countWhatIsLeft()).toBe(BY_ADDRESS.quota - BY_ACCOUNT.quota)
  })

  test('fifty at once for fifty accounts get exactly thirty tries', async () => {
    const thief = at()
    const answers = await Promise.all(Array.from({ length: 50 }, () => thief.logIn(nobody())))
    const tried = answers.filter(({ status }) => status === 401)
    expect(tried).toHaveLength(BY_ADDRESS.quota)
    for (const answer of answers) {
      if (answer.status !== 401) expectSpent(answer, 'sign-in-address')
    }
    expect(takeWork()).toHaveLength(BY_ADDRESS.quota)
  })
})

describe('a right password', () => {
  test('clears what its account was charged at that address, and at no other', async () => {
    const { email, password } = (await server.newUser()).identity
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
    const [victim, own] = [await server.newUser(), await server.newUser()]
    const thief = at()
    for (let i = 0; i < BY_ACCOUNT.quota; i += 1) {
      expect((await thief.logIn(victim.identity.email)).status).toBe(401)
      expect((await thief.logIn(own.identity.email, own.identity.password)).status).toBe(200)
      expect((await thief.changePassword(own, own.identity.password)).status).toBe(204)
    }
    expectSpent(await thief.logIn(victim.identity.email), 'sign-in-account')
  })

  test('costs nothing, forty times over and many at once', async () => {
    const { email, password } = (await server.newUser()).identity
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
    const { email, password } = (await server.newUser()).identity
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
    const { email, password } = (await server.newUser()).identity
    const person = at()
    failure = new HashQueueFull(3)
    const tries = Array.from({ length: 20 }, (_, i) =>
      person.logIn(email, i % 2 === 0 ? password : 'a wrong guess'),
    )
    // More than its quota are in the air at once, and are refused unseen.
    for (const { status } of await Promise.all(tries)) expect([503, 429]).toContain(status)
    failure = new Error('bcrypt broke')
    for (let i = 0; i < 10; i += 1) expect((await person.logIn(email)).status).toBe(500)
    failure = undefined
    expect((await person.logIn(email, password)).status).toBe(200)
    expect(await person.countWhatIsLeft()).toBe(BY_ADDRESS.quota)
  })
})

describe('PUT /auth/password', () => {
  test('shares the count with logging in, is refused unhashed, and leaves the session alone', async () => {
    const alice = await server.newUser()
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
    const alice = await server.newUser()
    const thief = at()
    await thief.spray(BY_ADDRESS.quota)
    expectSpent(await thief.changePassword(alice, alice.identity.password), 'sign-in-address')
  })

  test('fifty at once with wrong passwords get exactly five tries', async () => {
    const alice = await server.newUser()
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
    const alice = await server.newUser()
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
    const [reused, loggedOut] = [await server.newUser(), await server.newUser()]
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
    const { email, password, refreshToken } = (await server.newUser()).identity
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
    let { refreshToken } = (await server.newUser()).identity
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

describe('the delay before the limits refuse', () => {
  const STEP_MS = 17

  /** The delays that calls were given, told from other timers by their step. */
  const delaysIn = (spy: { mock: { calls: unknown[][] } }) =>
    spy.mock.calls
      .map(([, ms]) => ms)
      .filter((ms) => typeof ms === 'number' && ms > 0 && ms % STEP_MS === 0)

  test('grows from the third failure on, for that address alone, and not for successes', async () => {
    const slow = await startServer({ env, instead: { signInDelayStepMs: STEP_MS } })
    const { email, password } = (await slow.newUser()).identity
    const tryFrom = (address: string, guess: string) =>
      slow.anybody.call('logIn', {
        headers: { 'X-Forwarded-For': address },
        body: { email, password: guess },
      })
    const timers = vi.spyOn(globalThis, 'setTimeout')
    for (let i = 0; i < 5; i += 1) {
      expect((await tryFrom('192.0.2.1', password)).status).toBe(200)
    }
    expect(delaysIn(timers)).toEqual([])
    for (let i = 0; i < 4; i += 1) expect((await tryFrom('192.0.2.1', 'wrong')).status).toBe(401)
    expect(delaysIn(timers)).toEqual([STEP_MS, 2 * STEP_MS])
    expect((await tryFrom('192.0.2.2', password)).status).toBe(200)
    expect((await tryFrom('192.0.2.2', 'wrong')).status).toBe(401)
    expect(delaysIn(timers)).toEqual([STEP_MS, 2 * STEP_MS])
    timers.mockRestore()
    await slow.close()
  })

  test('is not for a whole office that signs in at once, nor for what was not their fault', async () => {
    const testStore = await openTestStore()
    const leaving = createOutageStore(testStore.store)
    const slow = await startServer({
      env,
      testStore,
      instead: { deps: { store: leaving.store }, signInDelayStepMs: STEP_MS },
    })
    // More than one account may try at once before it has to wait for the outcomes.
    const office = await Promise.all(Array.from({ length: 8 }, () => slow.newUser()))
    const { email, password } = office[0]!.identity
    const logIn = (body: { email: string; password: string }) =>
      slow.anybody.call('logIn', { body })
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const coming = office.map(({ identity }) =>
      logIn({ email: identity.email, password: identity.password }),
    )
    for (const { status } of await Promise.all(coming)) expect(status).toBe(200)
    for (let i = 0; i < 4; i += 1) {
      expect((await logIn({ email: 'no address', password })).status).toBe(400)
    }
    leaving.isUnavailable = true
    for (let i = 0; i < 4; i += 1) expect((await logIn({ email, password })).status).toBe(503)
    leaving.isUnavailable = false
    expect((await logIn({ email, password })).status).toBe(200)
    expect(delaysIn(timers)).toEqual([])
    timers.mockRestore()
    await slow.close()
    await testStore.close()
  })
})
