import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPasswords, HashQueueFull } from '../../src/ports/passwords/passwords.ts'
import type { Client, Identity } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: { REGISTRATION: 'open' } })
})
afterAll(() => server.close())

const credentialsOf = ({ email, password }: Pick<Identity, 'email' | 'password'>) => ({
  email,
  password,
})

const logIn = (identity: { email: string; password: string }) =>
  server.anonymous.call('logIn', { body: credentialsOf(identity) })

/** Logs the same user in again. */
async function openSession({ identity, with: withTokens }: Client): Promise<Client> {
  const { email, password } = identity
  const { body } = await server.anonymous.expect(200, 'logIn', { body: { email, password } })
  return withTokens(body)
}

const newAccount = () => ({
  email: `${randomUUID()}@example.com`,
  password: 'a horse nobody guesses',
  displayName: 'Grace',
})

describe('GET /auth/sessions', () => {
  test('lists the sessions of the caller, the last used first, and marks the current one', async () => {
    const alice = await server.createUser()
    await server.clock.advance(1_000)
    const other = await openSession(alice)

    const { body } = await alice.expect(200, 'listSessions')

    expect(body.data.map(({ id, current }) => [id, current])).toEqual([
      [other.identity.sessionId, false],
      [alice.identity.sessionId, true],
    ])
    expect(body.data[0]).toMatchObject({ address: '127.0.0.1', userAgent: '' })
  })

  test('pages through sessions with the same last use, each exactly once', async () => {
    const alice = await server.createUser()
    const all = [alice, ...(await Promise.all([1, 2, 3, 4].map(() => openSession(alice))))]
    const seen: string[] = []
    let cursor: string | undefined

    do {
      const query = { limit: 2, ...(cursor !== undefined && { cursor }) }
      const { body } = await alice.expect(200, 'listSessions', { query })
      seen.push(...body.data.map(({ id }) => id))
      cursor = body.nextCursor
    } while (cursor !== undefined)

    expect(seen.toSorted()).toEqual(all.map(({ identity }) => identity.sessionId).toSorted())
  })

  test('leaves out ended sessions and those of other users', async () => {
    const [alice, bob] = [await server.createUser(), await server.createUser()]
    const ended = await openSession(alice)
    await ended.expect(204, 'logOut', { body: { scope: 'current' } })

    const { body } = await alice.expect(200, 'listSessions')

    expect(body.data.map(({ id }) => id)).toEqual([alice.identity.sessionId])

    const { nextCursor } = (await bob.expect(200, 'listSessions')).body
    expect(nextCursor).toBeUndefined()
  })
})

describe('DELETE /auth/sessions/{sessionId}', () => {
  test('ends another session immediately, with its access and refresh tokens', async () => {
    const alice = await server.createUser()
    const other = await openSession(alice)
    const path = { sessionId: other.identity.sessionId.toUpperCase() }

    await alice.expect(204, 'endSession', { path })

    await other.refused('token-invalid', 'getProfile')
    const { refreshToken } = other.identity
    await server.anonymous.refused('token-invalid', 'refreshTokens', { body: { refreshToken } })
    await alice.expect(200, 'getProfile')
    await alice.refused('not-found', 'endSession', { path })
  })

  test('returns 404 for a session of another user, which continues', async () => {
    const [alice, bob] = [await server.createUser(), await server.createUser()]
    const path = { sessionId: bob.identity.sessionId }

    await alice.refused('not-found', 'endSession', { path })

    await bob.expect(200, 'getProfile')
  })

  test('ends the current session', async () => {
    const alice = await server.createUser()

    await alice.expect(204, 'endSession', { path: { sessionId: alice.identity.sessionId } })

    await alice.refused('token-invalid', 'getProfile')
  })
})

describe('PUT /auth/password', () => {
  const change = (
    { identity }: Client,
    newPassword: string,
    currentPassword = identity.password,
  ) => ({
    body: { currentPassword, newPassword },
  })

  test('replaces the password and ends every other session', async () => {
    const alice = await server.createUser()
    const other = await openSession(alice)
    const newPassword = 'quite another horse'
    const { email, password } = alice.identity
    const { refreshToken } = other.identity

    await alice.expect(204, 'changePassword', change(alice, newPassword))

    await alice.expect(200, 'getProfile')
    await other.refused('token-invalid', 'getProfile')
    await server.anonymous.refused('token-invalid', 'refreshTokens', { body: { refreshToken } })
    expect((await logIn({ email, password })).status).toBe(401)
    expect((await logIn({ email, password: newPassword })).status).toBe(200)
  })

  test('refuses a wrong current password and changes nothing', async () => {
    const alice = await server.createUser()
    const other = await openSession(alice)
    const wrong = change(alice, 'quite another horse', 'not my password')

    const { headers } = await alice.refused('invalid-credentials', 'changePassword', wrong)

    expect(headers['www-authenticate']).toBe('Bearer realm="parley"')

    await other.expect(200, 'getProfile')
    expect((await logIn(alice.identity)).status).toBe(200)
  })

  test.each([
    ['too short', 'short', 'at least 8'],
    ['one of the most common', 'password123', 'most common'],
    ['one of the most common in capitals', 'QWERTYUIOP', 'most common'],
  ])('refuses a new password that is %s', async (_what, password, reason) => {
    const alice = await server.createUser()

    const { body } = await alice.refused('weak-password', 'changePassword', change(alice, password))

    expect(body.detail).toContain(reason)
    expect((await logIn(alice.identity)).status).toBe(200)
  })

  test('accepts 4-byte characters, surrounding spaces and more than 72 bytes', async () => {
    const alice = await server.createUser()
    const { email } = alice.identity
    const newPassword = ` ${'\u{1F40E}'.repeat(40)}한글 `

    await alice.expect(204, 'changePassword', change(alice, newPassword))

    expect((await logIn({ email, password: newPassword.trim() })).status).toBe(401)
    expect((await logIn({ email, password: newPassword.replace('한글', '한') })).status).toBe(401)
    expect((await logIn({ email, password: newPassword })).status).toBe(200)
  })

  test('leaves exactly one valid password after two concurrent changes', async () => {
    const alice = await server.createUser()
    const { email } = alice.identity
    const passwords = ['the first new horse', 'the second new horse']
    await Promise.all(passwords.map((one) => alice.call('changePassword', change(alice, one))))

    const logins = await Promise.all(passwords.map((password) => logIn({ email, password })))

    expect(logins.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  test('counts wrong current passwords like failed logins and resets the count after a right one', async () => {
    const limited = await startServer({ env: { RATE_LIMIT_SIGN_IN_ACCOUNT: '2/900' } })
    const alice = await limited.createUser()
    const wrong = change(alice, 'quite another horse', 'not my password')
    await alice.refused('invalid-credentials', 'changePassword', wrong)
    await alice.expect(204, 'changePassword', change(alice, alice.identity.password))
    await alice.refused('invalid-credentials', 'changePassword', wrong)
    await alice.refused('invalid-credentials', 'changePassword', wrong)

    const { body } = await alice.refused('quota-exceeded', 'changePassword', wrong)

    expect(body.violatedPolicies).toEqual(['sign-in-account'])

    await alice.expect(200, 'getProfile')
    await limited.close()
  })
})

describe('POST /auth/register', () => {
  test('creates a user who can log in, chat and read the profile', async () => {
    const body = { ...newAccount(), displayName: '  Grace  ' }

    const created = await server.anonymous.expect(201, 'register', { body })

    expect(created.body).toMatchObject({ email: body.email, displayName: 'Grace', role: 'user' })
    expect(created.headers['location']).toBe('/api/v1/users/profile')

    const tokens = (await server.anonymous.expect(200, 'logIn', { body: credentialsOf(body) })).body
    const grace = server.anonymous.with(tokens)
    expect((await grace.expect(200, 'getProfile')).body).toEqual(created.body)

    await grace.expect(200, 'sendMessage', { body: { message: 'Hello' } })
  })

  test('refuses a registered email in any case and with white space around it', async () => {
    const body = newAccount()
    await server.anonymous.expect(201, 'register', { body })
    const twin = { ...body, email: `  ${body.email.toUpperCase()} ` }

    await server.anonymous.refused('email-taken', 'register', { body: twin })
  })

  test('creates one account for twenty concurrent calls with one email', async () => {
    const body = newAccount()

    const all = await Promise.all(
      Array.from({ length: 20 }, () => server.anonymous.call('register', { body })),
    )

    expect(all.map(({ status }) => status).toSorted()).toEqual([
      201,
      ...Array<number>(19).fill(409),
    ])
  })

  test.each([
    ['a common password', { password: '12345678' }, 'weak-password'],
    ['a short password', { password: 'abc' }, 'weak-password'],
    ['a malformed email', { email: 'grace at example' }, 'invalid-request'],
    ['an email with other than ASCII letters', { email: 'gräce@example.com' }, 'invalid-request'],
  ] as const)('refuses %s and creates no account', async (_what, change, code) => {
    const body = { ...newAccount(), ...change }

    await server.anonymous.refused(code, 'register', { body })

    expect((await logIn(body)).status).not.toBe(200)
  })

  test('is closed unless the operator opens it', async () => {
    const closed = await startServer()
    await closed.anonymous.refused('registration-closed', 'register', { body: newAccount() })
    await closed.close()
  })
})

test('a login returns 503 with Retry-After while the password queue is full, and does not count as failed', async () => {
  const real = createPasswords({ key: randomBytes(32), cost: 4 })
  let isFull = false
  const passwords = {
    ...real,
    verify: (password: string, hash: string | undefined) =>
      isFull ? Promise.reject(new HashQueueFull(3)) : real.verify(password, hash),
  }
  const env = { RATE_LIMIT_SIGN_IN_ACCOUNT: '2/900', RATE_LIMIT_SIGN_IN_ADDRESS: '2/900' }
  const busy = await startServer({ env, replacements: { deps: { passwords } } })
  const alice = await busy.createUser()
  const body = credentialsOf(alice.identity)

  isFull = true
  for (let i = 0; i < 5; i += 1) {
    const { headers } = await busy.anonymous.refused('unavailable', 'logIn', { body })
    expect(headers['retry-after']).toBe('3')
  }

  isFull = false
  await busy.anonymous.expect(200, 'logIn', { body })
  await busy.close()
})
