import { describe, expect, test, vi } from 'vitest'
import { openTestStore } from '../support/database/database.ts'
import { createOutageStore } from '../support/database/outage-store.ts'
import { startServer } from '../support/server.ts'
import {
  BY_ACCOUNT,
  BY_ADDRESS,
  at,
  codeOf,
  env,
  expectSpent,
  newAddress,
  nobody,
  server,
  takeWork,
} from './brute-force.given.ts'

test('the contract allows 30 failures in 15 minutes at an address, and 5 of them for an account', () => {
  expect(BY_ADDRESS).toMatchObject({ quota: 30, windowSeconds: 900, per: 'address' })
  expect(BY_ACCOUNT).toMatchObject({ quota: 5, windowSeconds: 900 })
})

describe('one password for many accounts', () => {
  test('is refused after 30 of them, whether they exist or not, and the rest is never hashed', async () => {
    const thief = at()
    const victims = [
      await server.createUser(),
      await server.createUser(),
      await server.createUser(),
    ]
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
    const own = (await server.createUser()).identity

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
    const alice = await server.createUser()
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
    const { email, password } = (await server.createUser()).identity

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
    const victim = await server.createUser()
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
    const { email } = (await server.createUser()).identity
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

describe('the delay before the limits refuse', () => {
  const STEP_MS = 17

  /** The delays that calls were given, told from other timers by their step. */
  const delaysIn = (spy: { mock: { calls: unknown[][] } }) =>
    spy.mock.calls
      .map(([, ms]) => ms)
      .filter((ms) => typeof ms === 'number' && ms > 0 && ms % STEP_MS === 0)

  test('grows from the third failure on, for that address alone, and not for successes', async () => {
    const slow = await startServer({ env, replacements: { signInDelayStepMs: STEP_MS } })
    const { email, password } = (await slow.createUser()).identity
    const tryFrom = (address: string, guess: string) =>
      slow.anonymous.call('logIn', {
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
      replacements: { deps: { store: leaving.store }, signInDelayStepMs: STEP_MS },
    })
    // More than one account may try at once before it has to wait for the outcomes.
    const office = await Promise.all(Array.from({ length: 8 }, () => slow.createUser()))
    const { email, password } = office[0]!.identity
    const logIn = (body: { email: string; password: string }) =>
      slow.anonymous.call('logIn', { body })
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
