import { describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import type { Tokens } from '../support/client.ts'
import { MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import {
  REUSE_GRACE_MS,
  anotherSession,
  call,
  clock,
  expectDead,
  expectLive,
  manyAtOnce,
  refresh,
  refused,
  server,
  withServer,
} from './refresh-families.given.ts'

describe('a lost answer', () => {
  test('asked for again does not make the time longer in which it may be asked for', async () => {
    const { refreshToken } = (await server.createUser()).identity
    const next = await refresh(refreshToken)
    for (const _ of [1, 2]) {
      clock.jump(REUSE_GRACE_MS / 2)
      expect((await refresh(refreshToken)).refreshToken).toBe(next.refreshToken)
    }
    clock.jump(1)

    await refused('refresh-token-reused', refreshToken)

    await expectDead(next)
  })

  test('asked for again does not make the session longer', async () => {
    const { refreshToken } = (await server.createUser()).identity
    const first = await server.anonymous.expect(200, 'refreshTokens', { body: { refreshToken } })
    clock.jump(20 * SECOND_MS)

    const again = await server.anonymous.expect(200, 'refreshTokens', { body: { refreshToken } })

    expect(again.body.refreshExpiresIn).toBe(first.body.refreshExpiresIn - 20)
  })

  test('is given at another instance, and after a restart', async () => {
    const { refreshToken } = (await server.createUser()).identity
    const next = await refresh(refreshToken)
    await withServer(async (other) => {
      expect((await refresh(refreshToken, other)).refreshToken).toBe(next.refreshToken)
      await expectLive(next, other)
    })
  })
})

describe('a token that is used again', () => {
  test('after 30 seconds ends the session, its newest tokens too, and for good: after a restart as well', async () => {
    const alice = await server.createUser()
    const second = await refresh(alice.identity.refreshToken)
    clock.jump(REUSE_GRACE_MS + 1)
    const { body, headers } = await refused('refresh-token-reused', alice.identity.refreshToken)
    expect(body).toMatchObject({ status: 401, retryable: false })
    expect(headers['www-authenticate']).toContain('error="invalid_token"')
    await expectDead(alice.identity)
    await expectDead(second)

    await withServer(async (restarted) => {
      await expectDead(alice.identity, restarted)
      await expectDead(second, restarted)
    })
  })

  test('is "reused" once, and from then on as invalid as any other', async () => {
    const { refreshToken } = (await server.createUser()).identity
    await refresh(refreshToken)
    clock.jump(MINUTE_MS)
    const answers = await manyAtOnce(() => call(refreshToken))
    const codes = answers.map(({ body }) => (body as Problem).code)
    expect(codes.every((code) => /^(refresh-token-reused|token-invalid)$/.test(code))).toBe(true)
    expect(codes).toContain('refresh-token-reused')

    await refused('token-invalid', refreshToken)
  })

  test('two generations later ends the session at once', async () => {
    const first = (await server.createUser()).identity
    const second = await refresh(first.refreshToken)
    const third = await refresh(second.refreshToken)

    await refused('refresh-token-reused', first.refreshToken)

    for (const tokens of [first, second, third]) await expectDead(tokens)
  })

  test('many generations later ends the session as well', async () => {
    const first = (await server.createUser()).identity
    let last: Tokens = first
    for (let i = 0; i < 12; i += 1) last = await refresh(last.refreshToken)

    await refused('refresh-token-reused', first.refreshToken)

    await expectDead(last)
  })

  test('at another instance ends it at this one too: the refresh token at once, the access token within seconds', async () => {
    await withServer(async (other) => {
      const first = (await server.createUser()).identity
      const second = await refresh(first.refreshToken)
      const third = await refresh(second.refreshToken)
      await refused('refresh-token-reused', first.refreshToken, other)
      await refused('token-invalid', third.refreshToken)
      await server.parley.services.revocations.feed.refresh()
      await expectDead(third)
    })
  })

  test('while its owner refreshes ends the session, whoever is faster: nothing that was given lives on', async () => {
    for (let round = 0; round < 5; round += 1) {
      const first = (await server.createUser()).identity
      const second = await refresh(first.refreshToken)
      clock.jump(MINUTE_MS)
      const answers = await manyAtOnce((i) =>
        call(i % 2 === 0 ? second.refreshToken : first.refreshToken),
      )
      const codes = answers.filter(({ status }) => status !== 200)
      expect(codes.map(({ body }) => (body as Problem).code)).toContain('refresh-token-reused')
      for (const answer of answers) {
        if (answer.status === 200) await expectDead(answer.body)
        else expect(answer.status).toBe(401)
      }
      await expectDead(second)
    }
  })

  test('leaves another session of the same person alone, and everybody else', async () => {
    const [alice, bob] = [await server.createUser(), await server.createUser()]
    const elsewhere = await anotherSession(alice)
    const second = await refresh(alice.identity.refreshToken)
    const theirs = await refresh(elsewhere.identity.refreshToken)
    clock.jump(MINUTE_MS)

    await refused('refresh-token-reused', alice.identity.refreshToken)

    await expectDead(second)
    await expectLive(theirs)
    await expectLive(bob.identity)
  })

  test('of a session that was logged out is merely invalid, and brings nothing back', async () => {
    const alice = await server.createUser()
    const second = await refresh(alice.identity.refreshToken)

    await alice.with(second).expect(204, 'logOut', { body: { scope: 'current' } })

    await expectDead(alice.identity)
    await expectDead(second)
  })
})
