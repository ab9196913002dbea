import { describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import type { Tokens } from '../support/client.ts'
import { MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import {
  REUSE_GRACE_MS,
  openSession,
  tryToRefresh,
  clock,
  expectInvalid,
  expectValid,
  concurrently,
  refresh,
  expectRefused,
  server,
  withServer,
} from './refresh-families.given.ts'

describe('a repeated refresh within 30 seconds', () => {
  test('does not extend the 30 seconds', async () => {
    const { refreshToken } = (await server.createUser()).identity
    const next = await refresh(refreshToken)

    for (const _ of [1, 2]) {
      clock.jump(REUSE_GRACE_MS / 2)
      expect((await refresh(refreshToken)).refreshToken).toBe(next.refreshToken)
    }
    clock.jump(1)

    await expectRefused('refresh-token-reused', refreshToken)
    await expectInvalid(next)
  })

  test('does not extend the session', async () => {
    const { refreshToken } = (await server.createUser()).identity
    const first = await server.anonymous.expect(200, 'refreshTokens', { body: { refreshToken } })
    clock.jump(20 * SECOND_MS)

    const again = await server.anonymous.expect(200, 'refreshTokens', { body: { refreshToken } })

    expect(again.body.refreshExpiresIn).toBe(first.body.refreshExpiresIn - 20)
  })

  test('gets the same pair from another instance, and after a restart', async () => {
    const { refreshToken } = (await server.createUser()).identity
    const next = await refresh(refreshToken)
    await withServer(async (other) => {
      expect((await refresh(refreshToken, other)).refreshToken).toBe(next.refreshToken)
      await expectValid(next, other)
    })
  })
})

describe('the reuse of a refresh token', () => {
  test('after 30 seconds ends the session and its newest tokens, even after a restart', async () => {
    const alice = await server.createUser()
    const second = await refresh(alice.identity.refreshToken)
    clock.jump(REUSE_GRACE_MS + 1)

    const { body, headers } = await expectRefused(
      'refresh-token-reused',
      alice.identity.refreshToken,
    )

    expect(body).toMatchObject({ status: 401, retryable: false })
    expect(headers['www-authenticate']).toContain('error="invalid_token"')
    await expectInvalid(alice.identity)
    await expectInvalid(second)
    await withServer(async (restarted) => {
      await expectInvalid(alice.identity, restarted)
      await expectInvalid(second, restarted)
    })
  })

  test('is reported as refresh-token-reused at first, and then as token-invalid', async () => {
    const { refreshToken } = (await server.createUser()).identity
    await refresh(refreshToken)
    clock.jump(MINUTE_MS)

    const answers = await concurrently(() => tryToRefresh(refreshToken))

    const codes = answers.map(({ body }) => (body as Problem).code)
    expect(codes.every((code) => /^(refresh-token-reused|token-invalid)$/.test(code))).toBe(true)
    expect(codes).toContain('refresh-token-reused')
    await expectRefused('token-invalid', refreshToken)
  })

  test('after two refreshes ends the session immediately', async () => {
    const first = (await server.createUser()).identity
    const second = await refresh(first.refreshToken)
    const third = await refresh(second.refreshToken)

    await expectRefused('refresh-token-reused', first.refreshToken)

    for (const tokens of [first, second, third]) await expectInvalid(tokens)
  })

  test('after many refreshes ends the session as well', async () => {
    const first = (await server.createUser()).identity
    let last: Tokens = first
    for (let i = 0; i < 12; i += 1) last = await refresh(last.refreshToken)

    await expectRefused('refresh-token-reused', first.refreshToken)

    await expectInvalid(last)
  })

  test('at another instance ends the session at this one: refresh tokens immediately, access tokens with the next poll', async () => {
    await withServer(async (other) => {
      const first = (await server.createUser()).identity
      const second = await refresh(first.refreshToken)
      const third = await refresh(second.refreshToken)

      await expectRefused('refresh-token-reused', first.refreshToken, other)

      await expectRefused('token-invalid', third.refreshToken)
      await server.parley.services.revocations.feed.refresh()
      await expectInvalid(third)
    })
  })

  test('ends the session even if the newest token is refreshed concurrently', async () => {
    for (let round = 0; round < 5; round += 1) {
      const first = (await server.createUser()).identity
      const second = await refresh(first.refreshToken)
      clock.jump(MINUTE_MS)

      const answers = await concurrently((i) =>
        tryToRefresh(i % 2 === 0 ? second.refreshToken : first.refreshToken),
      )

      const codes = answers.filter(({ status }) => status !== 200)
      expect(codes.map(({ body }) => (body as Problem).code)).toContain('refresh-token-reused')
      for (const answer of answers) {
        if (answer.status === 200) await expectInvalid(answer.body)
        else expect(answer.status).toBe(401)
      }
      await expectInvalid(second)
    }
  })

  test('leaves other sessions of the user and of other users valid', async () => {
    const [alice, bob] = [await server.createUser(), await server.createUser()]
    const elsewhere = await openSession(alice)
    const second = await refresh(alice.identity.refreshToken)
    const third = await refresh(elsewhere.identity.refreshToken)
    clock.jump(MINUTE_MS)

    await expectRefused('refresh-token-reused', alice.identity.refreshToken)

    await expectInvalid(second)
    await expectValid(third)
    await expectValid(bob.identity)
  })

  test('after logging out is reported as token-invalid', async () => {
    const alice = await server.createUser()
    const second = await refresh(alice.identity.refreshToken)

    await alice.with(second).expect(204, 'logOut', { body: { scope: 'current' } })

    await expectInvalid(alice.identity)
    await expectInvalid(second)
  })
})
