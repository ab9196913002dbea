import { describe, expect, test } from 'vitest'
import { createAccount, logIn } from './accounts.ts'
import { admin, clock, server } from './administration.given.ts'
import { USER_SCOPES } from './scopes.ts'

describe('PATCH /admin/users/{userId}', () => {
  test('changes the scopes of existing tokens immediately with the role, in both directions', async () => {
    const { client, path } = await createAccount(server, admin)
    await client.refused('insufficient-scope', 'listUsers')

    await admin.expect(200, 'changeUser', { path, body: { role: 'admin' } })

    await client.expect(200, 'listUsers')
    const { body: profile } = await client.expect(200, 'getProfile')
    expect(profile.role).toBe('admin')
    expect(profile.scopes).toContain('admin:users')

    await admin.expect(200, 'changeUser', { path, body: { role: 'user' } })

    await client.refused('insufficient-scope', 'listUsers')
    expect((await client.expect(200, 'getProfile')).body.scopes).toEqual(USER_SCOPES)
  })

  test('refuses tokens, refreshes and logins of a disabled user until the user is enabled again', async () => {
    const { client, path, email, password } = await createAccount(server, admin)
    const { refreshToken } = client.identity

    await admin.expect(200, 'changeUser', { path, body: { disabled: true } })

    const { status } = await client.refused('account-disabled', 'getProfile')
    expect(status).toBe(403)
    const body = { email, password }
    await server.anonymous.refused('account-disabled', 'refreshTokens', { body: { refreshToken } })
    await server.anonymous.refused('account-disabled', 'logIn', { body })
    const wrong = { email, password: 'not my password' }
    await server.anonymous.refused('invalid-credentials', 'logIn', { body: wrong })

    await admin.expect(200, 'changeUser', { path, body: { disabled: false } })

    await client.expect(200, 'getProfile')
    await logIn(server, body)
  })

  test('keeps the session of a disabled user whose refresh was refused', async () => {
    const { client, path } = await createAccount(server, admin)
    const body = { refreshToken: client.identity.refreshToken }
    await admin.expect(200, 'changeUser', { path, body: { disabled: true } })
    await server.anonymous.refused('account-disabled', 'refreshTokens', { body })
    await admin.expect(200, 'changeUser', { path, body: { disabled: false } })

    // Beyond the time in which a reused token gets the same response.
    clock.jump(60_000)

    await server.anonymous.expect(200, 'refreshTokens', { body })
  })

  test('replaces the limits as a whole, and only if they are in the body', async () => {
    const { path } = await createAccount(server, admin)
    const limitsAfter = async (limits: object) =>
      (await admin.expect(200, 'changeUser', { path, body: { limits } })).body.limits

    expect(await limitsAfter({ hourly: 7, chatPerMinute: 2 })).toEqual({
      hourly: 7,
      chatPerMinute: 2,
    })
    const named = await admin.expect(200, 'changeUser', { path, body: { displayName: 'Ada' } })
    expect(named.body.limits).toEqual({ hourly: 7, chatPerMinute: 2 })
    expect(await limitsAfter({ hourly: 7 })).toEqual({ hourly: 7 })
    expect(await limitsAfter({})).toEqual({})
  })

  test('takes effect when the id is written in capitals', async () => {
    const { client, path } = await createAccount(server, admin)
    const capitals = { userId: path.userId.toUpperCase() }

    await admin.expect(200, 'changeUser', { path: capitals, body: { disabled: true } })

    await client.refused('account-disabled', 'getProfile')
  })
})
