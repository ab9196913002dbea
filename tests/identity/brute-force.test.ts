import { describe, expect, test, vi } from 'vitest'
import { openTestStore } from '../support/database/database.ts'
import { createOutageStore } from '../support/database/outage-store.ts'
import { startServer } from '../support/server.ts'
import {
  BY_ACCOUNT,
  BY_ADDRESS,
  callerAt,
  codeOf,
  env,
  expectExceeded,
  newAddress,
  unknownEmail,
  server,
  takeWork,
} from './brute-force.given.ts'

describe('the limits of the contract', () => {
  test('allow 30 failures in 15 minutes from an address, and 5 of them for one account', () => {
    expect(BY_ADDRESS).toMatchObject({ quota: 30, windowSeconds: 900, per: 'address' })
    expect(BY_ACCOUNT).toMatchObject({ quota: 5, windowSeconds: 900 })
  })
})

describe('guesses for many accounts from one address', () => {
  test('are refused after 30 failures, for existing and unknown accounts, and no longer hashed', async () => {
    const attacker = callerAt()
    const victims = [
      await server.createUser(),
      await server.createUser(),
      await server.createUser(),
    ]
    takeWork()

    for (const { identity } of victims) {
      expect((await attacker.logIn(identity.email)).status).toBe(401)
    }
    await attacker.failLogins(BY_ADDRESS.quota - victims.length)

    expect(takeWork()).toHaveLength(BY_ADDRESS.quota)
    for (const email of [unknownEmail(), victims[0]!.identity.email, 'admin@example.com']) {
      expectExceeded(await attacker.logIn(email), 'sign-in-address')
    }
    const { email, password } = victims[1]!.identity
    expectExceeded(await attacker.logIn(email, password), 'sign-in-address')
    expect(takeWork()).toEqual([])
  })

  test('are counted together, even if the caller claims other forwarded addresses', async () => {
    const address = newAddress()

    for (let i = 0; i < BY_ADDRESS.quota; i += 1) {
      const claimed = i % 2 === 0 ? `203.0.113.${i}, ${address}` : `10.0.0.${i}, ::ffff:${address}`
      expect((await callerAt(claimed).logIn(unknownEmail())).status).toBe(401)
    }

    expectExceeded(await callerAt(address).logIn(unknownEmail()), 'sign-in-address')
  })

  test('are counted together from one IPv6 /64 network, and apart from the next', async () => {
    for (let i = 0; i < BY_ADDRESS.quota; i += 1) {
      const inNetwork = `2001:db8:7:7:${i.toString(16)}::${i}`
      expect((await callerAt(inNetwork).logIn(unknownEmail())).status).toBe(401)
    }

    expectExceeded(await callerAt('2001:db8:7:7:ffff::1').logIn(unknownEmail()), 'sign-in-address')
    expect((await callerAt('2001:db8:7:8::1').logIn(unknownEmail())).status).toBe(401)
  })

  test('are not forgiven for successful logins in between', async () => {
    const attacker = callerAt()
    const own = (await server.createUser()).identity

    for (let i = 0; i < BY_ADDRESS.quota; i += 1) {
      await attacker.failLogins(1)
      if (i === BY_ADDRESS.quota - 1) break
      expect((await attacker.logIn(own.email, own.password)).status).toBe(200)
    }

    expectExceeded(await attacker.logIn(unknownEmail()), 'sign-in-address')
    expectExceeded(await attacker.logIn(own.email, own.password), 'sign-in-address')
  })

  test('get thirty attempts from fifty concurrent calls', async () => {
    const attacker = callerAt()

    const answers = await Promise.all(
      Array.from({ length: 50 }, () => attacker.logIn(unknownEmail())),
    )

    const tried = answers.filter(({ status }) => status === 401)
    expect(tried).toHaveLength(BY_ADDRESS.quota)
    for (const answer of answers) {
      if (answer.status !== 401) expectExceeded(answer, 'sign-in-address')
    }
    expect(takeWork()).toHaveLength(BY_ADDRESS.quota)
  })

  test('do not affect callers at other addresses, or users who are logged in at the same one', async () => {
    const attacker = callerAt()
    const alice = await server.createUser()
    const { email, password, refreshToken } = alice.identity

    await attacker.failLogins(BY_ADDRESS.quota)

    expectExceeded(await attacker.logIn(email, password), 'sign-in-address')
    await alice.expect(200, 'getProfile', { headers: attacker.headers })
    await alice.expect(200, 'sendMessage', {
      headers: attacker.headers,
      body: { message: 'Hello' },
    })
    expect((await attacker.refresh(refreshToken)).status).toBe(200)
    expect((await callerAt().logIn(email, password)).status).toBe(200)
  })
})

describe('guesses for one account', () => {
  test('are refused after 5 from one address, in any spelling of the email, and no longer hashed', async () => {
    const attacker = callerAt()
    const { email, password } = (await server.createUser()).identity
    takeWork()
    const spellings = [email, email.toUpperCase(), ` ${email}`, `${email}\n`, `\t${email} `]

    for (const spelling of spellings) expect((await attacker.logIn(spelling)).status).toBe(401)

    expect(takeWork()).toHaveLength(BY_ACCOUNT.quota)
    for (const spelling of spellings) {
      expectExceeded(await attacker.logIn(spelling), 'sign-in-account')
      expectExceeded(await attacker.logIn(spelling, password), 'sign-in-account')
    }
    expect(takeWork()).toEqual([])
    // A refused attempt is not counted for the address.
    expect(await attacker.countRemaining()).toBe(BY_ADDRESS.quota - BY_ACCOUNT.quota)
  })

  test('never lock the owner out at another address, while they go on from many addresses', async () => {
    const victim = await server.createUser()
    const { email, password } = victim.identity
    const home = callerAt()

    for (let i = 0; i < 8; i += 1) {
      const attacker = callerAt()
      const [owner, ...guesses] = await Promise.all([
        home.logIn(email, password),
        ...Array.from({ length: BY_ACCOUNT.quota + 2 }, () => attacker.logIn(email)),
      ])
      expect(owner.status).toBe(200)
      expect(guesses.filter(({ status }) => status === 401)).toHaveLength(BY_ACCOUNT.quota)
      expect((await home.changePassword(victim, password)).status).toBe(204)
    }
  })

  test('get five attempts from fifty concurrent calls, and cost the address five', async () => {
    const attacker = callerAt()
    const { email } = (await server.createUser()).identity
    takeWork()

    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => attacker.logIn(email, `guess number ${i}`)),
    )

    const codes = answers.map(codeOf)
    expect(codes.filter((code) => code === 'invalid-credentials')).toHaveLength(BY_ACCOUNT.quota)
    const refused = answers.filter((answer) => codeOf(answer) === 'quota-exceeded')
    expect(refused).toHaveLength(50 - BY_ACCOUNT.quota)
    for (const answer of refused) expectExceeded(answer, 'sign-in-account')
    expect(takeWork()).toHaveLength(BY_ACCOUNT.quota)
    expect(await attacker.countRemaining()).toBe(BY_ADDRESS.quota - BY_ACCOUNT.quota)
  })
})

describe('the delay of a login after failures', () => {
  const STEP_MS = 17

  /** Returns the delays of calls, which differ from other timers by their step. */
  const delaysIn = (spy: { mock: { calls: unknown[][] } }) =>
    spy.mock.calls
      .map(([, ms]) => ms)
      .filter((ms) => typeof ms === 'number' && ms > 0 && ms % STEP_MS === 0)

  test('grows from the third failure on, for that address alone', async () => {
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

  test('does not apply to concurrent valid logins, invalid requests or a database failure', async () => {
    const testStore = await openTestStore()
    const outage = createOutageStore(testStore.store)
    const slow = await startServer({
      env,
      testStore,
      replacements: { deps: { store: outage.store }, signInDelayStepMs: STEP_MS },
    })
    // More accounts than may try concurrently before a call waits for the outcome of others.
    const office = await Promise.all(Array.from({ length: 8 }, () => slow.createUser()))
    const { email, password } = office[0]!.identity
    const logIn = (body: { email: string; password: string }) =>
      slow.anonymous.call('logIn', { body })
    const timers = vi.spyOn(globalThis, 'setTimeout')

    const logins = office.map(({ identity }) =>
      logIn({ email: identity.email, password: identity.password }),
    )
    for (const { status } of await Promise.all(logins)) expect(status).toBe(200)
    for (let i = 0; i < 4; i += 1) {
      expect((await logIn({ email: 'no address', password })).status).toBe(400)
    }
    outage.isUnavailable = true
    for (let i = 0; i < 4; i += 1) expect((await logIn({ email, password })).status).toBe(503)
    outage.isUnavailable = false
    expect((await logIn({ email, password })).status).toBe(200)

    expect(delaysIn(timers)).toEqual([])

    timers.mockRestore()
    await slow.close()
    await testStore.close()
  })
})
