import { randomUUID } from 'node:crypto'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { DAY_MS, JumpingClock, MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'

const REUSE_GRACE_MS = 30 * SECOND_MS

let testStore: TestStore
let server: TestServer
let clock: JumpingClock
beforeAll(async () => {
  testStore = await openTestStore()
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

const logIn = (email: string, password: string) =>
  server.anybody.call('logIn', { body: { email, password } })

async function refresh(refreshToken: string) {
  return (await server.anybody.expect(200, 'refreshTokens', { body: { refreshToken } })).body
}

const refusedRefresh = (code: Problem['code'], refreshToken: string) =>
  server.anybody.refused(code, 'refreshTokens', { body: { refreshToken } })

/** The same user in a session of its own. */
async function anotherSession({ identity, with: withTokens }: Client): Promise<Client> {
  const { email, password } = identity
  const { body } = await server.anybody.expect(200, 'logIn', { body: { email, password } })
  return withTokens(body)
}

describe('POST /auth/login', () => {
  test('opens a session with a pair of tokens that work', async () => {
    const alice = await server.newUser()
    const { email, password } = alice.identity
    const { body, headers } = await server.anybody.expect(200, 'logIn', {
      body: { email, password },
    })
    expect(body).toMatchObject({ tokenType: 'Bearer', expiresIn: 900, refreshExpiresIn: 604_800 })
    expect(headers['cache-control']).toBe('no-store')
    const profile = await alice.with(body).expect(200, 'getProfile')
    expect(profile.body.email).toBe(email)
    await refresh(body.refreshToken)
  })

  test('answers a wrong password and an unknown email alike, but for the request id', async () => {
    const { email, password } = (await server.newUser()).identity
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
    const alice = await server.newUser()
    const { email, password } = alice.identity
    const { id } = (await alice.expect(200, 'getProfile')).body
    for (const spelling of [email.toUpperCase(), ` ${email}\n`, `\t${email} `]) {
      const body = { email: spelling, password }
      const again = alice.with((await server.anybody.expect(200, 'logIn', { body })).body)
      expect((await again.expect(200, 'getProfile')).body.id).toBe(id)
    }
  })

  test.each(['ada', 'ada@', '@example.com', 'ada@localhost', 'ädä@example.com', 'a b@example.com'])(
    'refuses %s, which is no ASCII address',
    async (email) => {
      const body = { email, password: 'a password' }
      const { body: problem } = await server.anybody.refused('invalid-request', 'logIn', { body })
      expect(problem.errors).toMatchObject([{ in: 'body', pointer: '/email', code: 'pattern' }])
    },
  )

  test('tells only who knows the password that the account is disabled', async () => {
    const alice = await server.newUser()
    const { email, password, refreshToken } = alice.identity
    await testStore.database.prisma.account.update({
      where: { email },
      data: { disabledAt: clock.now() },
    })
    const right = { body: { email, password } }
    const wrong = { body: { email, password: 'a wrong one' } }
    await server.anybody.refused('invalid-credentials', 'logIn', wrong)
    await server.anybody.refused('account-disabled', 'logIn', right)
    await refusedRefresh('account-disabled', refreshToken)
    await alice.refused('account-disabled', 'getProfile')
  })
})

describe('an access token', () => {
  test('is verified by the published keys and says who it is for', async () => {
    const alice = await server.newUser()
    const response = await fetch(`${server.url}/.well-known/jwks.json`)
    const jwks = (await response.json()) as JSONWebKeySet
    expect(jwks.keys.every((key) => !('d' in key))).toBe(true)
    const { payload, protectedHeader } = await jwtVerify(
      alice.identity.accessToken,
      createLocalJWKSet(jwks),
      { algorithms: ['EdDSA'], typ: 'at+jwt', currentDate: clock.now() },
    )
    const profile = (await alice.expect(200, 'getProfile')).body
    expect(payload).toMatchObject({ sub: profile.id, sid: alice.identity.sessionId })
    expect(payload['scope']).toBe(profile.scopes.join(' '))
    expect(payload.exp! - payload.iat!).toBe(900)
    expect(protectedHeader.kid).toBe(jwks.keys[0]!.kid)
  })

  test('expires after 15 minutes, and the next pair works', async () => {
    const alice = await server.newUser()
    clock.jump(15 * MINUTE_MS + 6 * SECOND_MS)
    const { headers } = await alice.refused('token-expired', 'getProfile')
    expect(headers['www-authenticate']).toContain('error="invalid_token"')
    await alice.with(await refresh(alice.identity.refreshToken)).expect(200, 'getProfile')
  })

  test('that was tampered with is refused', async () => {
    const alice = await server.newUser()
    const [head = '', payload = '', signature = ''] = alice.identity.accessToken.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    const asAdmin = Buffer.from(JSON.stringify({ ...claims, role: 'admin' })).toString('base64url')
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')
    for (const accessToken of [
      [head, asAdmin, signature].join('.'),
      [none, payload, ''].join('.'),
      [none, payload, signature].join('.'),
      alice.identity.refreshToken,
    ]) {
      await alice.with({ ...alice.identity, accessToken }).refused('token-invalid', 'getProfile')
    }
  })
})

describe('POST /auth/refresh', () => {
  test('answers the next pair and ends the token before it', async () => {
    const alice = await server.newUser()
    const first = alice.identity
    const second = await refresh(first.refreshToken)
    expect(second.refreshToken).not.toBe(first.refreshToken)
    expect(second.sessionId).toBe(first.sessionId)
    await alice.with(second).expect(200, 'getProfile')
  })

  test('gives the same successor again for 30 seconds, for an answer may be lost', async () => {
    const alice = await server.newUser()
    const { refreshToken } = alice.identity
    const second = await refresh(refreshToken)
    clock.jump(REUSE_GRACE_MS)
    expect((await refresh(refreshToken)).refreshToken).toBe(second.refreshToken)
    await refresh(second.refreshToken)
  })

  test('takes later use of an old token for theft: the session ends, its access token too', async () => {
    const alice = await server.newUser()
    const second = await refresh(alice.identity.refreshToken)
    clock.jump(REUSE_GRACE_MS + 1)
    await refusedRefresh('refresh-token-reused', alice.identity.refreshToken)
    await refusedRefresh('token-invalid', second.refreshToken)
    await alice.with(second).refused('token-invalid', 'getProfile')
    await alice.refused('token-invalid', 'getProfile')
    const { email } = alice.identity
    const row = await testStore.database.prisma.session.findFirst({ where: { account: { email } } })
    expect(row?.revokedAt).not.toBeNull()
  })

  test('takes the parent of a used parent for theft even at once', async () => {
    const alice = await server.newUser()
    const second = await refresh(alice.identity.refreshToken)
    const third = await refresh(second.refreshToken)
    await refusedRefresh('refresh-token-reused', alice.identity.refreshToken)
    await alice.with(third).refused('token-invalid', 'getProfile')
  })

  test('twenty at once of one token end in one live pair, and nobody is logged out', async () => {
    const alice = await server.newUser()
    const { refreshToken } = alice.identity
    const pairs = await Promise.all(Array.from({ length: 20 }, () => refresh(refreshToken)))
    expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1)
    for (const pair of pairs) await alice.with(pair).expect(200, 'getProfile')
    await refresh(pairs[0]!.refreshToken)
  })

  test('slides the session by 7 days, and never beyond 30 days after the login, access token included', async () => {
    const alice = await server.newUser()
    let { refreshToken } = alice.identity
    const left: number[] = []
    for (let days = 6; days <= 24; days += 6) {
      clock.jump(6 * DAY_MS)
      const pair = await refresh(refreshToken)
      left.push(pair.refreshExpiresIn / 86_400)
      ;({ refreshToken } = pair)
    }
    expect(left).toEqual([7, 7, 7, 6])
    clock.jump(6 * DAY_MS - SECOND_MS)
    const last = await refresh(refreshToken)
    expect(last.refreshExpiresIn).toBe(1)
    expect(last.expiresIn).toBeLessThanOrEqual(1)
    clock.jump(SECOND_MS)
    await refusedRefresh('token-expired', last.refreshToken)
  })

  test('is over after 7 days without one', async () => {
    const { refreshToken } = (await server.newUser()).identity
    clock.jump(7 * DAY_MS)
    const { headers } = await refusedRefresh('token-expired', refreshToken)
    expect(headers['www-authenticate']).toContain('error="invalid_token"')
  })

  test.each([
    'junk',
    'parley_refresh_',
    `parley_refresh_${'A'.repeat(75)}`,
    'parley_refresh_'.padEnd(500, 'x'),
  ])('refuses %s, which is no token', async (junk) => {
    await refusedRefresh('token-invalid', junk)
  })

  test('refuses an access token and a token of another make', async () => {
    const { accessToken, refreshToken } = (await server.newUser()).identity
    await refusedRefresh('token-invalid', accessToken.slice(0, 500))
    const last = refreshToken.at(-1) === 'A' ? 'B' : 'A'
    await refusedRefresh('token-invalid', refreshToken.slice(0, -1) + last)
    await refresh(refreshToken)
  })
})

describe('logging out', () => {
  test('ends the current session at once, and no other', async () => {
    const alice = await server.newUser()
    const elsewhere = await anotherSession(alice)
    await alice.expect(204, 'logOut', { body: { scope: 'current' } })
    await alice.refused('token-invalid', 'getProfile')
    await refusedRefresh('token-invalid', alice.identity.refreshToken)
    await elsewhere.expect(200, 'getProfile')
  })

  test('ends all others, and not the one that asked', async () => {
    const alice = await server.newUser()
    const others = [await anotherSession(alice), await anotherSession(alice)]
    const bob = await server.newUser()
    await alice.expect(204, 'logOut', { body: { scope: 'others' } })
    for (const other of others) {
      await other.refused('token-invalid', 'getProfile')
      await refusedRefresh('token-invalid', other.identity.refreshToken)
    }
    await alice.expect(200, 'getProfile')
    await bob.expect(200, 'getProfile')
  })

  test('ends all of them', async () => {
    const alice = await server.newUser()
    const other = await anotherSession(alice)
    await alice.expect(204, 'logOut', { body: { scope: 'all' } })
    await alice.refused('token-invalid', 'getProfile')
    await other.refused('token-invalid', 'getProfile')
  })

  test('again with a token that was logged out is refused', async () => {
    const alice = await server.newUser()
    await alice.expect(204, 'logOut', { body: { scope: 'current' } })
    await alice.refused('token-invalid', 'logOut', { body: { scope: 'current' } })
    await alice.refused('token-invalid', 'logOutByLink')
  })

  test('by GET works, and announces its end', async () => {
    const alice = await server.newUser()
    const { headers } = await alice.expect(204, 'logOutByLink')
    expect(headers).toMatchObject({
      deprecation: '@1795392000',
      sunset: 'Tue, 30 Nov 2027 00:00:00 GMT',
      'cache-control': 'no-store',
    })
    expect(headers['link']).toContain('rel="deprecation"')
    const refused = await alice.refused('token-invalid', 'getProfile')
    expect(refused.headers).not.toHaveProperty('deprecation')
  })

  test('is known to another instance within seconds, and to one that starts later', async () => {
    const second = await startServer({ testStore, clock })
    const alice = await server.newUser()
    await fetch(`${second.url}/api/v1/users/profile`, { headers: alice.credentials })
    await alice.expect(204, 'logOut', { body: { scope: 'current' } })
    await second.parley.services.revocations.feed.refresh()
    const third = await startServer({ testStore, clock })
    for (const { url } of [second, third]) {
      const response = await fetch(`${url}/api/v1/users/profile`, { headers: alice.credentials })
      expect(response.status).toBe(401)
    }
    await second.close()
    await third.close()
  })

  test('in the middle of a refresh leaves no live session behind', async () => {
    const alice = await server.newUser()
    const { refreshToken } = alice.identity
    const [raced] = await Promise.all([
      server.anybody.call('refreshTokens', { body: { refreshToken } }),
      alice.expect(204, 'logOut', { body: { scope: 'current' } }),
    ])
    if (raced.status !== 200) return
    await alice.with(raced.body).refused('token-invalid', 'getProfile')
    await refusedRefresh('token-invalid', raced.body.refreshToken)
  })
})

test('nothing of a password or a token is logged, whatever becomes of it', async () => {
  const alice = await server.newUser()
  const { email, password, accessToken, refreshToken } = alice.identity
  await logIn(email, password)
  await logIn(password, password)
  await alice.refused('invalid-request', 'logIn', { body: { email, password, extra: 1 } as never })
  await refresh(refreshToken)
  await alice.expect(200, 'getProfile')
  const log = JSON.stringify(server.logged())
  for (const secret of [password, accessToken, refreshToken]) expect(log).not.toContain(secret)
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
        guarded.anybody.expect(200, 'logIn', request(email, password)),
      refused: (code: Problem['code'], email: string, password = 'wrong') =>
        guarded.anybody.refused(code, 'logIn', request(email, password)),
      refresh: (refreshToken: string) =>
        guarded.anybody.call('refreshTokens', { headers, body: { refreshToken } }),
    }
  }

  test('is refused at the sixth failure for an account from one address, right or wrong', async () => {
    const { email, password } = (await guarded.newUser()).identity
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
    const [victim, neighbour] = await Promise.all([guarded.newUser(), guarded.newUser()])
    const thief = stranger()
    for (let i = 0; i < QUOTA; i += 1) {
      await thief.refused('invalid-credentials', victim.identity.email)
    }
    await stranger().logIn(victim.identity.email, victim.identity.password)
    await thief.logIn(neighbour.identity.email, neighbour.identity.password)
    await thief.refused('quota-exceeded', victim.identity.email)
  })

  test('begins anew after a success', async () => {
    const { email, password } = (await guarded.newUser()).identity
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
    const { email } = (await guarded.newUser()).identity
    const headers = { 'X-Forwarded-For': `192.0.2.${nextAddress++}` }
    const body = { email, password: 'wrong' }
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => guarded.anybody.call('logIn', { headers, body })),
    )
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(QUOTA)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(20 - QUOTA)
  })

  test('of refresh tokens counts for the address, and never refuses one that is right', async () => {
    const { email, password } = (await guarded.newUser()).identity
    const thief = stranger()
    const { refreshToken } = (await thief.logIn(email, password)).body
    for (let i = 0; i < 14; i += 1) expect((await thief.refresh('junk')).status).toBe(401)
    await thief.refused('quota-exceeded', email, password)
    expect((await thief.refresh(refreshToken)).status).toBe(200)
  })

  test('of successes costs nothing', async () => {
    const { email, password } = (await guarded.newUser()).identity
    const person = stranger()
    for (let i = 0; i < 15; i += 1) await person.logIn(email, password)
  })
})
