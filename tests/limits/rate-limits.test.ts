import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { basePath } from '../support/contract/operations.ts'
import { openTestStore } from '../support/database/database.ts'
import { LIMIT_STORES } from '../support/database/limit-stores.ts'
import { startServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'

describe('a rate limit', () => {
  test('allows calls again after Retry-After, and not a second earlier', async () => {
    const server = await startServer({ env: { RATE_LIMIT_USER: '2/60' } })
    const alice = await server.createUser()
    await alice.expect(200, 'getProfile')
    await server.clock.advance(10_500)
    await alice.expect(200, 'getProfile')

    const { headers } = await alice.refused('quota-exceeded', 'getProfile')
    const seconds = Number(headers['retry-after'])

    await server.clock.advance((seconds - 1) * 1000)
    await alice.refused('quota-exceeded', 'getProfile')
    await server.clock.advance(1_000)
    await alice.expect(200, 'getProfile')

    await server.close()
  })

  test('is shown by GET /rate-limits, which does not count', async () => {
    const server = await startServer({
      env: { RATE_LIMIT_USER: '7/60', RATE_LIMIT_ANONYMOUS: '5/60' },
    })
    const alice = await server.createUser()
    await alice.expect(200, 'getProfile')
    for (let i = 0; i < 20; i += 1) await alice.expect(200, 'getRateLimits')

    const { body, headers } = await alice.expect(200, 'getRateLimits')

    expect(body.data.map(({ policy, quota, remaining }) => [policy, quota, remaining])).toEqual([
      ['user', 7, 6],
      ['chat', 1_000_000, 1_000_000],
    ])
    expect(headers).not.toHaveProperty('ratelimit')

    const { body: anonymousLimits } = await server.anonymous.expect(200, 'getRateLimits')
    expect(anonymousLimits.data.map(({ policy }) => policy)).toEqual(['anonymous'])

    await server.close()
  })

  test('of an address cannot be evaded with unusual paths, methods, headers or bursts', async () => {
    const QUOTA = 10
    const server = await startServer({ env: { RATE_LIMIT_ANONYMOUS: `${QUOTA}/3600` } })
    const paths = [
      '/status',
      '//status',
      '/status/',
      '/STATUS',
      '/%73tatus',
      '/./status',
      '/x/../status',
      '/status?',
      '/nothing',
      '/users/profile',
    ]
    const odd = paths.flatMap((path) => [
      { path, method: 'GET' },
      { path, method: 'HEAD' },
      { path, method: 'POST' },
      { path, method: 'GET', headers: { 'X-HTTP-Method-Override': 'DELETE' } },
      {
        path,
        method: 'GET',
        headers: { 'X-Forwarded-For': randomUUID(), Forwarded: 'for=192.0.2.9' },
      },
      {
        path,
        method: 'GET',
        headers: { 'X-Real-IP': '192.0.2.10', 'CF-Connecting-IP': '192.0.2.11' },
      },
      { path, method: 'GET', headers: { Authorization: `Bearer ${randomUUID()}` } },
      { path, method: 'GET', headers: { 'X-API-Key': `parley_live_${randomUUID()}` } },
    ])

    const answers = await Promise.all(
      odd.map(({ path, ...how }) => send(server.url + basePath + path, how)),
    )

    expect(answers.filter(({ status }) => status !== 429)).toHaveLength(QUOTA)

    await server.close()
  })
})

describe.each(LIMIT_STORES)('two servers that count in $name', ({ name, open }) => {
  test.skipIf(!open || name === 'memory')(
    'allow exactly 10 of 200 parallel calls, and send Retry-After to the other 190',
    async () => {
      const limits = await open!()
      const testStore = await openTestStore()
      const env = { RATE_LIMIT_USER: '10/3600' }
      const start = async () =>
        startServer({
          testStore,
          env,
          replacements: { deps: { limiter: await limits.openInstance() } },
        })
      const servers = [await start(), await start()]
      const alice = await servers[0]!.createUser()
      const path = new URL(alice.urlOf('getProfile')).pathname
      const calls = Array.from({ length: 200 }, (_, i) =>
        send(servers[i % 2]!.url + path, { headers: alice.credentials }),
      )
      const answers = await Promise.all(calls)

      const refused = answers.filter(({ status }) => status === 429)

      expect(answers.filter(({ status }) => status === 200)).toHaveLength(10)
      expect(refused).toHaveLength(190)
      expect(refused.every(({ headers }) => Number(headers['retry-after']) > 3_500)).toBe(true)

      for (const server of servers) await server.close()
      await testStore.close()
      await limits.close()
    },
  )
})
