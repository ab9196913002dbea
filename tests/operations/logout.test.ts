import { describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { startServer } from '../support/server.ts'
import { clock, refusedRefresh, server, testStore } from './auth.given.ts'

/** Logs the same user in again. */
async function openSession({ identity, with: withTokens }: Client): Promise<Client> {
  const { email, password } = identity
  const { body } = await server.anonymous.expect(200, 'logIn', { body: { email, password } })
  return withTokens(body)
}

describe('POST /auth/logout', () => {
  test('ends the current session immediately and no other', async () => {
    const alice = await server.createUser()
    const other = await openSession(alice)

    await alice.expect(204, 'logOut', { body: { scope: 'current' } })

    await alice.refused('token-invalid', 'getProfile')
    await refusedRefresh('token-invalid', alice.identity.refreshToken)
    await other.expect(200, 'getProfile')
  })

  test('ends only the other sessions of the user with the scope "others"', async () => {
    const alice = await server.createUser()
    const others = [await openSession(alice), await openSession(alice)]
    const bob = await server.createUser()

    await alice.expect(204, 'logOut', { body: { scope: 'others' } })

    for (const other of others) {
      await other.refused('token-invalid', 'getProfile')
      await refusedRefresh('token-invalid', other.identity.refreshToken)
    }
    await alice.expect(200, 'getProfile')
    await bob.expect(200, 'getProfile')
  })

  test('ends every session of the user with the scope "all"', async () => {
    const alice = await server.createUser()
    const other = await openSession(alice)

    await alice.expect(204, 'logOut', { body: { scope: 'all' } })

    await alice.refused('token-invalid', 'getProfile')
    await other.refused('token-invalid', 'getProfile')
  })

  test('is refused with the token of an ended session', async () => {
    const alice = await server.createUser()
    await alice.expect(204, 'logOut', { body: { scope: 'current' } })

    await alice.refused('token-invalid', 'logOut', { body: { scope: 'current' } })
    await alice.refused('token-invalid', 'logOutByLink')
  })

  test('takes effect on another instance after its next poll and on one that starts later', async () => {
    const second = await startServer({ testStore, clock })
    const alice = await server.createUser()
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

  test('leaves no active session when a refresh runs at the same time', async () => {
    const alice = await server.createUser()
    const { refreshToken } = alice.identity

    const [raced] = await Promise.all([
      server.anonymous.call('refreshTokens', { body: { refreshToken } }),
      alice.expect(204, 'logOut', { body: { scope: 'current' } }),
    ])

    await alice.refused('token-invalid', 'getProfile')
    await refusedRefresh('token-invalid', refreshToken)
    if (raced.status !== 200) return
    await alice.with(raced.body).refused('token-invalid', 'getProfile')
    await refusedRefresh('token-invalid', raced.body.refreshToken)
  })
})

describe('GET /auth/logout', () => {
  test('ends the session and announces its sunset', async () => {
    const alice = await server.createUser()

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
})
