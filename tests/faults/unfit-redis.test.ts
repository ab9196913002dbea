import { once } from 'node:events'
import { readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { openRedisLimiter } from '../../src/ports/limiter/redis.ts'
import { tryRedis } from '../../src/ports/redis/trial.ts'
import { StartRefused } from '../../src/ports/start-refused.ts'
import { openWorkplace, type Workplace } from '../support/process/process.ts'
import * as kinds from '../support/database/redis-kinds.ts'
import type { RedisKind } from '../support/database/redis-kinds.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/database/redis-server.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'

const PATIENCE_MS = 180_000
const CERTIFICATE = join(import.meta.dirname, '../support/process/tls/first-test-only.cert.pem')

const attempt = (url: string) => tryRedis(url, systemClock)

/** Faults that waiting cannot repair, each with a part of its sentence. */
const UNFIT: [what: string, open: () => Promise<RedisKind>, sentence: RegExp][] = [
  [
    'a node of a cluster without slots',
    () => kinds.redisWith(['--cluster-enabled', 'yes']),
    /Redis Cluster/,
  ],
  ['a cluster of one node', kinds.clusterOfOne, /Redis Cluster/],
  ['a cluster of three nodes', kinds.clusterOfThree, /Redis Cluster/],
  ['a replica', kinds.replica, /replica/],
  ['a Sentinel', kinds.sentinel, /a Sentinel \(name the primary/],
  [
    'a database that does not exist',
    () => kinds.redisWith([], ({ url }) => `${url}/99`),
    /database that this Redis does not have/,
  ],
  ['a missing password', () => kinds.redisWith(['--requirepass', 'secret']), /requires a password/],
  [
    'a wrong password',
    () =>
      kinds.redisWith(['--requirepass', 'secret'], ({ port }) => `redis://:x@127.0.0.1:${port}`),
    /correct the user or the password/,
  ],
  [
    'a password for a Redis without one',
    () => kinds.redisWith([], ({ port }) => `redis://:x@127.0.0.1:${port}`),
    /correct the user or the password/,
  ],
  [
    'a user with access to other keys only',
    () => kinds.redisWithUser('~chat:*', '+@all'),
    /lacks a permission/,
  ],
  [
    'a Redis without streams',
    () => kinds.redisWith(['--rename-command', 'XADD', '']),
    /older than 5.0/,
  ],
  ['an HTTP server', openHttp, /is not Redis/],
  ['TLS with a certificate of an untrusted authority', kinds.redisWithTls, /NODE_EXTRA_CA_CERTS/],
  [
    'a URL without TLS for a port with TLS',
    async () => withScheme('redis:', await kinds.redisWithTls()),
    /use rediss:/,
  ],
  [
    'a URL with TLS for a port without TLS',
    async () => withScheme('rediss:', await kinds.redisWith([])),
    /use redis:/,
  ],
  [
    'a URL with TLS for an HTTP server',
    async () => withScheme('rediss:', await openHttp()),
    /does not speak TLS/,
  ],
]

const withScheme = (scheme: string, kind: RedisKind): RedisKind => {
  return { ...kind, url: kind.url.replace(/^\w+:/, scheme) }
}

async function openHttp(): Promise<RedisKind> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `redis://127.0.0.1:${port}`, close: async () => void server.close() }
}

describe.skipIf(!hasRedis)('an unusable Redis', () => {
  test.each(UNFIT)('is refused with a sentence: %s', async (_what, open, sentence) => {
    const kind = await open()
    const failure: unknown = await attempt(kind.url).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(StartRefused)
    expect((failure as Error).message).toMatch(sentence)
    expect((failure as Error).message).not.toContain('127.0.0.1')

    await kind.close()
  })

  test('is refused for a user who lacks any single command of the documented rule', async () => {
    const rules = kinds.documentedRules()
    const needed = rules.filter((rule) => /^\+(?!select|info)/.test(rule))
    expect(needed).toHaveLength(11)

    for (const rule of needed) {
      const kind = await kinds.redisWithUser(...rules.filter((other) => other !== rule))
      await expect(attempt(kind.url), rule).rejects.toThrow(/lacks a permission/)
      await kind.close()
    }
  })
})

describe.skipIf(!hasRedis)('a start', () => {
  let workplace: Workplace
  beforeEach(async () => {
    workplace = await openWorkplace()
  })
  afterEach(() => workplace.close())

  test(
    'fails on a cluster and creates no file',
    async () => {
      const cluster = await kinds.clusterOfOne()
      const exit = await workplace.startInVain({ REDIS_URL: cluster.url, PORT: '0' })
      expect(exit).toMatchObject({ code: 1, stdout: '' })
      expect(exit.stderr).toBe(
        'Parley did not start.\nREDIS_URL names a node of a Redis Cluster, which cannot count ' +
          'several limits in one step: use a single server, or a primary with replicas.\n',
      )
      expect(await readdir(workplace.directory)).toEqual([])

      await cluster.close()
    },
    PATIENCE_MS,
  )

  test(
    'succeeds over TLS with an authority in NODE_EXTRA_CA_CERTS, and warns of a Redis that evicts keys',
    async () => {
      const redis = await kinds.redisWithTls(
        '--maxmemory',
        '100mb',
        '--maxmemory-policy',
        'volatile-lru',
      )
      const env = { REDIS_URL: redis.url, NODE_EXTRA_CA_CERTS: CERTIFICATE }
      const parley = await workplace.start(env)
      await parley.logIn()

      await until(() => parley.stdout().includes('(maxmemory-policy volatile-lru)'))

      expect(parley.stdout()).not.toContain('limit store unavailable')

      await redis.close()
    },
    PATIENCE_MS,
  )
})

describe.skipIf(!hasRedis)('a usable Redis', () => {
  test.each<[string, () => Promise<RedisKind>]>([
    ['with the documented rule', () => kinds.redisWithUser(...kinds.documentedRules())],
    [
      'with access to its own keys and no dangerous command',
      () => kinds.redisWithUser('~parley:*', '&parley:*', '+@all', '-@dangerous'),
    ],
    [
      'without INFO',
      () => kinds.redisWithUser(...kinds.documentedRules().filter((rule) => rule !== '+info')),
    ],
    [
      'with a password that is percent-encoded',
      () =>
        kinds.redisWith(['--requirepass', 'p@ss/w#rd:%x?'], ({ port }) => {
          return `redis://:${encodeURIComponent('p@ss/w#rd:%x?')}@127.0.0.1:${port}`
        }),
    ],
    ['in a numbered database', () => kinds.redisWith([], ({ url }) => `${url}/2`)],
    ['at a Unix socket', () => kinds.redisWithSocket('?db=2')],
  ])('is accepted: %s', async (_what, open) => {
    const kind = await open()
    expect(await attempt(kind.url)).toEqual([])

    const limiter = await openRedisLimiter(kind.url, systemClock)
    expect(await limiter.check()).toBe('up')

    await limiter.close()
    await kind.close()
  })

  test('gets no keys without the prefix "parley:"', async () => {
    const redis = await startRedis()
    await attempt(redis.url)

    const keys = (await kinds.command(redis, 'KEYS', '*')) as unknown as string[]

    expect(keys.length).toBeGreaterThan(1)
    expect(keys.filter((key) => !key.startsWith('parley:'))).toEqual([])

    await redis.kill()
  })
})

describe.skipIf(!hasRedis)('a Redis with a fault that can pass', () => {
  let redis: RedisServer
  let server: TestServer | undefined
  beforeEach(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    await server?.close()
    await redis.kill()
  })

  const reasons = () =>
    server!
      .logLines()
      .filter(({ msg }) => String(msg).startsWith('limit store'))
      .map(({ reason, msg }) => reason ?? msg)
  const limitsStatus = async () => {
    const { body } = await server!.anonymous.call('getReadiness')
    return 'checks' in body && body.checks.find(({ name }) => name === 'limits')?.status
  }
  const set = (...words: string[]) => kinds.command(redis, 'CONFIG', 'SET', ...words)
  const failToSave = async () => {
    await set('save', '3600 1')
    await rm(redis.directory, { recursive: true })
    await kinds.command(redis, 'BGSAVE')
    await until(async () => (await kinds.commandText(redis, 'INFO')).includes('bgsave_status:err'))
  }

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['full', () => set('maxmemory', '1', 'maxmemory-policy', 'noeviction'), /no memory left/],
    ['without its replicas', () => set('min-replicas-to-write', '1'), /too few replicas/],
    ['unable to save', failToSave, /cannot save/],
    ['unreachable', () => redis.kill(), /Nothing listens/],
  ])(
    'lets a server start, which logs why the limits are down: %s',
    async (_what, cause, reason) => {
      await cause()
      expect(await attempt(redis.url)).toEqual([])

      server = await startServer({ env: { REDIS_URL: redis.url } })
      expect(await limitsStatus()).toBe('down')
      expect(reasons()).toEqual([expect.stringMatching(reason)])
    },
  )

  test('makes readiness show the limits as down when it refuses a single command', async () => {
    server = await startServer({ env: { REDIS_URL: redis.url } })
    expect(await limitsStatus()).toBe('up')

    await kinds.command(redis, 'ACL', 'SETUSER', 'default', '-del')
    expect(await limitsStatus()).toBe('down')
    expect(reasons()).toEqual([expect.stringMatching(/lacks a permission/)])
  })

  test('is logged again when it returns as a replica', async () => {
    server = await startServer({ env: { REDIS_URL: redis.url } })
    await redis.kill()
    expect(await limitsStatus()).toBe('down')

    await redis.start('--replicaof', '127.0.0.1', '1')
    await until(async () => {
      await server!.clock.advance(100)
      return reasons().length === 2
    })
    expect(reasons()[1]).toMatch(/names a replica/)

    await kinds.command(redis, 'REPLICAOF', 'NO', 'ONE')
    await until(async () => {
      await server!.clock.advance(100)
      return reasons().at(-1) === 'limit store available again'
    })
    expect(await limitsStatus()).toBe('up')
  })

  test('is down from the start when a server was opened on a cluster without the check', async () => {
    const cluster = await kinds.clusterOfOne()
    server = await startServer({ env: { REDIS_URL: cluster.url } })
    expect(await limitsStatus()).toBe('down')

    await cluster.close()
  })
})
