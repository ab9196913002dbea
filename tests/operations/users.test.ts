import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ProfileChanges, Usage, UsageReport } from '../../generated/api.ts'
import type { Client, ApiRequest } from '../support/client.ts'
import { DAY_MS, HOUR_MS, JumpingClock, MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'

let server: TestServer
let clock: JumpingClock
beforeAll(async () => {
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ clock, env: { RATE_LIMIT_CHAT: '100/60' } })
})
afterAll(() => server.close())

describe('GET /users/profile', () => {
  test('returns the profile and the scopes of the caller', async () => {
    const alice = await server.createUser()

    const { body } = await alice.expect(200, 'getProfile')

    expect(body).toMatchObject({ displayName: 'Ada', role: 'user', preferences: {} })
    expect(body.email).toBe(alice.identity.email)
    expect(body.scopes).toContain('chat:write')
    expect(body.scopes.filter((scope) => scope.startsWith('admin:'))).toEqual([])
  })

  test('returns the scopes of an administrator to an administrator', async () => {
    const { body } = await (await server.admin()).expect(200, 'getProfile')

    expect(body.role).toBe('admin')
    expect(body.scopes).toContain('admin:users')
  })

  test('returns 304 for the current ETag', async () => {
    const alice = await server.createUser()
    const { headers } = await alice.expect(200, 'getProfile')

    const response = await send(alice.urlOf('getProfile'), {
      headers: { ...alice.credentials, 'If-None-Match': headers['etag']! },
    })

    expect([response.status, response.text]).toEqual([304, ''])
    expect(response.headers['etag']).toBe(headers['etag'])
  })
})

describe('PUT /users/profile', () => {
  test('replaces the name and all preferences; those that are left out are unset', async () => {
    const alice = await server.createUser()
    const replace = async (body: ProfileChanges) =>
      (await alice.expect(200, 'replaceProfile', { body })).body
    const preferences = { defaultMode: 'concise', locale: 'ko-KR', timeZone: 'Asia/Seoul' }

    const full = await replace({ displayName: ' 에이다 ', preferences })

    expect(full).toMatchObject({ displayName: '에이다', preferences })

    const less = await replace({ displayName: 'Ada', preferences: { locale: 'en' } })
    expect(less.preferences).toEqual({ locale: 'en' })
    expect((await alice.expect(200, 'getProfile')).body).toEqual(less)
    expect((await replace({ displayName: 'Ada', preferences: {} })).preferences).toEqual({})
  })

  test('refuses to change anything else', async () => {
    const alice = await server.createUser()
    const before = await alice.expect(200, 'getProfile')

    for (const extra of [{ role: 'admin' }, { email: 'eve@example.com' }, { scopes: [] }]) {
      const body = { displayName: 'Eve', preferences: {}, ...extra }
      const { errors } = (await alice.refused('invalid-request', 'replaceProfile', { body })).body
      expect(errors).toMatchObject([{ in: 'body', pointer: `/${Object.keys(extra)[0]!}` }])
    }

    expect((await alice.expect(200, 'getProfile')).body).toEqual(before.body)
  })

  test.each([
    ['/displayName', { displayName: ' ', preferences: {} }],
    ['/displayName', { displayName: 'x'.repeat(101), preferences: {} }],
    ['/displayName', { preferences: {} }],
    ['/preferences', { displayName: 'Ada' }],
    ['/preferences/defaultMode', { displayName: 'Ada', preferences: { defaultMode: 'loud' } }],
    ['/preferences/locale', { displayName: 'Ada', preferences: { locale: 'english!' } }],
    ['/preferences/locale', { displayName: 'Ada', preferences: { locale: 'a-b-c-d-e' } }],
    ['/preferences/timeZone', { displayName: 'Ada', preferences: { timeZone: 'Mars/Base' } }],
    ['/preferences/timeZone', { displayName: 'Ada', preferences: { timeZone: '+0900' } }],
    ['/preferences/timeZone', { displayName: 'Ada', preferences: { timeZone: '' } }],
    ['/preferences/colour', { displayName: 'Ada', preferences: { colour: 'red' } }],
  ])('refuses and points at %s of %j', async (pointer, body) => {
    const alice = await server.createUser()
    const request = { body: body as never }

    const { body: problem } = await alice.refused('invalid-request', 'replaceProfile', request)

    expect(problem.errors?.[0]).toMatchObject({ in: 'body', pointer })
  })

  test('succeeds for exactly one of twenty concurrent changes of the same version', async () => {
    const alice = await server.createUser()
    const { headers } = await alice.expect(200, 'getProfile')

    const responses = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        alice.call('replaceProfile', {
          headers: { 'If-Match': headers['etag']! },
          body: { displayName: `Ada ${i}`, preferences: {} },
        }),
      ),
    )

    expect(responses.filter(({ status }) => status === 200)).toHaveLength(1)

    const refused = responses.filter(({ status }) => status === 412)
    expect(refused).toHaveLength(19)

    const now = await alice.expect(200, 'getProfile')
    for (const response of refused) expect(response.headers['etag']).toBe(now.headers['etag'])
  })
})

/** Returns the report up to now: `to` is excluded, and the clock does not advance by itself. */
async function getReport(client: Client, query: ApiRequest<'getUsage'>['query'] = {}) {
  const to = new Date(clock.now().getTime() + 1).toISOString()
  return (await client.expect(200, 'getUsage', { query: { to, ...query } })).body
}

/** Logs the same user in again, with a fresh token. */
async function reLogIn(client: Client): Promise<Client> {
  const { email, password } = client.identity
  return client.with(
    (await server.anonymous.expect(200, 'logIn', { body: { email, password } })).body,
  )
}

async function chat(client: Client, message: string): Promise<Usage> {
  return (await client.expect(200, 'sendMessage', { body: { message } })).body.usage
}

const COUNTED = ['inputTokens', 'outputTokens', 'totalTokens'] as const

function expectSums({ totals, buckets }: UsageReport, used: readonly Usage[]) {
  expect(totals.messages).toBe(used.length)
  expect(totals.requests).toBe(used.length)
  for (const key of COUNTED) {
    expect(totals[key]).toBe(used.reduce((sum, usage) => sum + usage[key]!, 0))
  }
  for (const key of ['requests', 'messages', ...COUNTED] as const) {
    expect(buckets.reduce((sum, bucket) => sum + bucket[key], 0)).toBe(totals[key])
  }
}

describe('GET /users/usage', () => {
  test('returns zeros for a user without usage', async () => {
    const alice = await server.createUser()

    const { totals, buckets } = await getReport(alice)

    expect(buckets).toEqual([])
    expect(Object.values(totals)).toEqual([0, 0, 0, 0, 0])
  })

  test('returns the sums of the answers in buckets by hour and by day', async () => {
    clock.jump(DAY_MS - (clock.now().getTime() % DAY_MS) + 22 * HOUR_MS + 30 * MINUTE_MS)
    const start = clock.now()
    let alice = await server.createUser()
    const used = [await chat(alice, 'Hello! My name is Ada.'), await chat(alice, 'Tell me a joke')]
    for (const hours of [1, 1, 20]) {
      clock.jump(hours * HOUR_MS)
      alice = await reLogIn(alice)
      used.push(await chat(alice, `It is ${hours} hours later. What is 6 times 7?`))
    }
    const byHour = await getReport(alice, { granularity: 'hour' })

    const byDay = await getReport(alice)

    expectSums(byHour, used)
    expectSums(byDay, used)

    const hour = (after: number) =>
      new Date(start.getTime() - 30 * MINUTE_MS + after * HOUR_MS).toISOString()
    expect(byHour.buckets.map(({ startAt, requests }) => [startAt, requests])).toEqual([
      [hour(0), 2],
      [hour(1), 1],
      [hour(2), 1],
      [hour(22), 1],
    ])
    expect(byDay.granularity).toBe('day')
    expect(byDay.buckets.map(({ requests }) => requests)).toEqual([3, 2])
    expect(byDay.buckets.every(({ startAt }) => startAt.endsWith('T00:00:00.000Z'))).toBe(true)

    const bob = await server.createUser()
    expect((await getReport(bob)).totals.requests).toBe(0)
  })

  test('includes `from` and excludes `to`', async () => {
    const alice = await server.createUser()
    const at = clock.now().getTime()
    await chat(alice, 'Hello!')

    const between = async (from: number, to: number) => {
      const query = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
      return (await getReport(alice, query)).totals.requests
    }

    expect(await between(at, at + 1)).toBe(1)
    expect(await between(at - 1, at)).toBe(0)
    expect(await between(at + 1, at + 2)).toBe(0)
    expect(await between(at, at)).toBe(0)
  })

  test('accepts times with any offset and returns them in UTC', async () => {
    const alice = await server.createUser()
    const query = { from: '2026-11-01T00:00:00+09:00', to: '2026-11-02T00:00:00.5Z' }

    const { from, to } = await getReport(alice, query)

    expect([from, to]).toEqual(['2026-10-31T15:00:00.000Z', '2026-11-02T00:00:00.500Z'])
  })

  test('reports the last 30 days by default', async () => {
    const alice = await server.createUser()

    const byDefault = (await alice.expect(200, 'getUsage')).body

    expect(byDefault.to).toBe(clock.now().toISOString())
    expect(Date.parse(byDefault.to) - Date.parse(byDefault.from)).toBe(30 * DAY_MS)
  })

  test('accepts times without percent-encoding', async () => {
    const alice = await server.createUser()
    const address = `${alice.urlOf('getUsage')}?from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z`

    const response = await send(address, { headers: alice.credentials })

    expect(response.json()).toMatchObject({ from: '2026-11-01T00:00:00.000Z' })
  })

  test.each([
    ['from', { from: '2026-12-01T00:00:00Z', to: '2026-11-01T00:00:00Z' }],
    ['from', { from: '2025-01-01T00:00:00Z', to: '2026-11-01T00:00:00Z' }],
    ['from', { from: '2026-01-01T00:00:00Z', to: '2026-02-02T00:00:00Z', granularity: 'hour' }],
    ['from', { from: 'yesterday' }],
    ['from', { from: '2026-11-01' }],
    ['from', { from: '2026-02-30T00:00:00Z' }],
    ['to', { to: '0000-01-01T00:00:00Z' }],
    ['to', { to: '2026-11-01T25:00:00Z' }],
    ['to', { to: '2026-11-01T24:00:00Z' }],
    ['from', { from: '2026-11-01T00:00:00+24:00' }],
    ['from', { from: '2026-11-01T00:00:00+01' }],
    ['granularity', { granularity: 'minute' }],
  ])('refuses and points at %s of %j', async (pointer, query) => {
    const alice = await server.createUser()
    const request = { query: query as never }

    const { body } = await alice.refused('invalid-request', 'getUsage', request)

    expect(body.errors?.[0]).toMatchObject({ in: 'query', pointer })
  })

  test('accepts 366 days by day and 31 days by hour', async () => {
    const alice = await server.createUser()
    const to = clock.now().toISOString()
    const ago = (days: number) => new Date(clock.now().getTime() - days * DAY_MS).toISOString()

    await getReport(alice, { from: ago(366), to })
    await getReport(alice, { from: ago(31), to, granularity: 'hour' })
  })

  test('returns the remaining calls of each limit, this call included', async () => {
    const alice = await server.createUser()
    await chat(alice, 'Hello!')

    const { body, headers } = await alice.expect(200, 'getUsage')
    const limits = Object.fromEntries(body.limits.map((limit) => [limit.policy, limit]))

    expect(limits['user']).toMatchObject({ quota: 1_000_000, remaining: 999_998 })
    expect(limits['chat']).toMatchObject({ quota: 100, windowSeconds: 60, remaining: 99 })
    expect(headers['ratelimit']).toContain('"user";r=999998;')

    for (const { resetsAt, windowSeconds } of body.limits) {
      const seconds = (Date.parse(resetsAt) - clock.now().getTime()) / 1000
      expect(seconds).toBeGreaterThan(0)
      expect(seconds).toBeLessThanOrEqual(windowSeconds)
    }
  })
})
