import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { openTestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { clock, logIn, refresh, refusedRefresh, server, testStore } from './auth.given.ts'

describe('POST /auth/login', () => {
  test('opens a session with a pair of tokens that work', async () => {
    const alice = await server.createUser()
    const { email, password } = alice.identity
    const { body, headers } = await server.anonymous.expect(200, 'logIn', {
      body: { email, password },
    })
    expect(body).toMatchObject({ tokenType: 'Bearer', expiresIn: 900, refreshExpiresIn: 604_800 })
    expect(headers['cache-control']).toBe('no-store')

    const profile = await alice.with(body).expect(200, 'getProfile')
    expect(profile.body.email).toBe(email)

    await refresh(body.refreshToken)
  })

  test('answers a wrong password and an unknown email alike, but for the request id', async () => {
    const { email, password } = (await server.createUser()).identity
    const known = await logIn(email, `${password}!`)

    const unknown = await logIn(`${randomUUID()}@example.com`, password)
    const shown = (answer: typeof known) => {
      const { 'x-request-id': id, ratelimit: _left, date: _date, ...headers } = answer.headers
      return JSON.stringify([answer.status, headers, answer.body]).replaceAll(id!, '…')
    }

    expect(known.status).toBe(401)
    expect((known.body as Problem).code).toBe('invalid-credentials')
    expect(known.headers['www-authenticate']).toBe('Bearer realm="parley"')
    expect(shown(unknown)).toBe(shown(known))
  })

  test('knows an account by its email in any case and with white space around it', async () => {
    const alice = await server.createUser()
    const { email, password } = alice.identity
    const { id } = (await alice.expect(200, 'getProfile')).body
    for (const spelling of [email.toUpperCase(), ` ${email}\n`, `\t${email} `]) {
      const body = { email: spelling, password }
      const again = alice.with((await server.anonymous.expect(200, 'logIn', { body })).body)
      expect((await again.expect(200, 'getProfile')).body.id).toBe(id)
    }
  })

  test.each(['ada', 'ada@', '@example.com', 'ada@localhost', 'ädä@example.com', 'a b@example.com'])(
    'refuses %s, which is no ASCII address',
    async (email) => {
      const body = { email, password: 'a password' }

      const { body: problem } = await server.anonymous.refused('invalid-request', 'logIn', { body })

      expect(problem.errors).toMatchObject([{ in: 'body', pointer: '/email', code: 'pattern' }])
    },
  )

  test('tells only who knows the password that the account is disabled', async () => {
    const alice = await server.createUser()
    const { email, password, refreshToken } = alice.identity
    await testStore.database.prisma.account.update({
      where: { email },
      data: { disabledAt: clock.now() },
    })
    const right = { body: { email, password } }
    const wrong = { body: { email, password: 'a wrong one' } }
    await server.anonymous.refused('invalid-credentials', 'logIn', wrong)
    await server.anonymous.refused('account-disabled', 'logIn', right)
    await refusedRefresh('account-disabled', refreshToken)
    await alice.refused('account-disabled', 'getProfile')
  })
})

describe('the first admin', () => {
  test('is made once, however often and by however many instances the server starts', async () => {
    const fresh = await openTestStore()
    const start = () => startServer({ testStore: fresh })
    const together = await Promise.all([start(), start()])
    const later = await start()
    const servers = [...together, later]
    expect(servers.filter(({ parley }) => parley.access.kind === 'made')).toHaveLength(1)
    expect(await fresh.database.prisma.account.count({ where: { role: 'admin' } })).toBe(1)

    const admin = await later.admin()
    expect((await admin.expect(200, 'getProfile')).body.role).toBe('admin')

    await Promise.all(servers.map((one) => one.close()))
    await fresh.close()
  })
})

describe('guessing passwords', () => {
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

  /** Somebody at an address where nobody has failed yet. */
  function stranger() {
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

  test('is refused at the sixth failure for an account from one address, right or wrong', async () => {
    const { email, password } = (await guarded.createUser()).identity
    const thief = stranger()
    for (let i = 0; i < QUOTA; i += 1) await thief.refused('invalid-credentials', email)
    const { body, headers } = await thief.refused('quota-exceeded', email)
    expect(body.violatedPolicies).toEqual(['sign-in-account'])
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(900)
    expect(headers['ratelimit']).toContain('"sign-in-account";r=0;')

    await thief.refused('quota-exceeded', email, password)
    await thief.refused('quota-exceeded', ` ${email.toUpperCase()}`)
  })

  test('does not lock out the owner at another address, nor others at the same', async () => {
    const [victim, neighbour] = await Promise.all([guarded.createUser(), guarded.createUser()])
    const thief = stranger()
    for (let i = 0; i < QUOTA; i += 1) {
      await thief.refused('invalid-credentials', victim.identity.email)
    }
    await stranger().logIn(victim.identity.email, victim.identity.password)
    await thief.logIn(neighbour.identity.email, neighbour.identity.password)
    await thief.refused('quota-exceeded', victim.identity.email)
  })

  test('begins anew after a success', async () => {
    const { email, password } = (await guarded.createUser()).identity
    const person = stranger()
    for (let i = 0; i < QUOTA - 1; i += 1) await person.refused('invalid-credentials', email)
    await person.logIn(email, password)
    for (let i = 0; i < QUOTA; i += 1) await person.refused('invalid-credentials', email)
    await person.refused('quota-exceeded', email)
  })

  test('counts for accounts that do not exist as well, so that nothing shows which do', async () => {
    const thief = stranger()
    const email = `${randomUUID()}@example.com`
    for (let i = 0; i < QUOTA; i += 1) await thief.refused('invalid-credentials', email)

    const { body } = await thief.refused('quota-exceeded', email)

    expect(body.violatedPolicies).toEqual(['sign-in-account'])
  })

  test('of many accounts from one address is refused for the address', async () => {
    const thief = stranger()
    const anyone = () => `${randomUUID()}@example.com`
    for (let i = 0; i < 12; i += 1) await thief.refused('invalid-credentials', anyone())

    const { body } = await thief.refused('quota-exceeded', anyone())

    expect(body.violatedPolicies).toEqual(['sign-in-address'])
  })

  test('twenty at once get no more than five tries', async () => {
    const { email } = (await guarded.createUser()).identity
    const headers = { 'X-Forwarded-For': `192.0.2.${nextAddress++}` }
    const body = { email, password: 'wrong' }

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => guarded.anonymous.call('logIn', { headers, body })),
    )

    expect(answers.filter(({ status }) => status === 401)).toHaveLength(QUOTA)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(20 - QUOTA)
  })

  test('of refresh tokens counts for the address, and never refuses one that is right', async () => {
    const { email, password } = (await guarded.createUser()).identity
    const thief = stranger()
    const { refreshToken } = (await thief.logIn(email, password)).body
    for (let i = 0; i < 14; i += 1) expect((await thief.refresh('junk')).status).toBe(401)

    await thief.refused('quota-exceeded', email, password)

    expect((await thief.refresh(refreshToken)).status).toBe(200)
  })

  test('of successes costs nothing', async () => {
    const { email, password } = (await guarded.createUser()).identity
    const person = stranger()
    for (let i = 0; i < 15; i += 1) await person.logIn(email, password)
  })
})
