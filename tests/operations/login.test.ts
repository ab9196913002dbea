import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { clock, logIn, refresh, refusedRefresh, server, testStore } from './auth.given.ts'

describe('POST /auth/login', () => {
  test('opens a session and returns a working pair of tokens', async () => {
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

  test('gives the same response to a wrong password and to an unknown email, except for the request id', async () => {
    const { email, password } = (await server.createUser()).identity

    const known = await logIn(email, `${password}!`)
    const unknown = await logIn(`${randomUUID()}@example.com`, password)

    const comparable = (response: typeof known) => {
      const { 'x-request-id': id, ratelimit: _limit, date: _date, ...headers } = response.headers
      return JSON.stringify([response.status, headers, response.body]).replaceAll(id!, '…')
    }

    expect(known.status).toBe(401)
    expect((known.body as Problem).code).toBe('invalid-credentials')
    expect(known.headers['www-authenticate']).toBe('Bearer realm="parley"')
    expect(comparable(unknown)).toBe(comparable(known))
  })

  test('accepts the email in any case and with white space around it', async () => {
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
    'refuses %s, which is not an ASCII email address',
    async (email) => {
      const body = { email, password: 'a password' }

      const { body: problem } = await server.anonymous.refused('invalid-request', 'logIn', { body })

      expect(problem.errors).toMatchObject([{ in: 'body', pointer: '/email', code: 'pattern' }])
    },
  )

  test('reveals that an account is disabled only with the right password', async () => {
    const alice = await server.createUser()
    const { email, password } = alice.identity

    await testStore.database.prisma.account.update({
      where: { email },
      data: { disabledAt: clock.now() },
    })

    const right = { body: { email, password } }
    const wrong = { body: { email, password: 'a wrong one' } }
    await server.anonymous.refused('invalid-credentials', 'logIn', wrong)
    await server.anonymous.refused('account-disabled', 'logIn', right)
  })
})

test('a disabled account can use neither its access token nor its refresh token', async () => {
  const alice = await server.createUser()
  const { email, refreshToken } = alice.identity

  await testStore.database.prisma.account.update({
    where: { email },
    data: { disabledAt: clock.now() },
  })

  await alice.refused('account-disabled', 'getProfile')
  await refusedRefresh('account-disabled', refreshToken)
})

test('passwords and tokens never appear in the log', async () => {
  const alice = await server.createUser()
  const { email, password, accessToken, refreshToken } = alice.identity
  await logIn(email, password)
  await logIn(password, password)
  await alice.refused('invalid-request', 'logIn', { body: { email, password, extra: 1 } as never })
  await refresh(refreshToken)
  await alice.expect(200, 'getProfile')

  const log = JSON.stringify(server.logLines())

  for (const secret of [password, accessToken, refreshToken]) expect(log).not.toContain(secret)
})
