import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { openRedisLimiter } from '../../src/ports/limiter/redis.ts'
import { inspectRedis } from '../support/database/limit-stores.ts'
import { hasRedis, startRedis } from '../support/database/redis-server.ts'
import { newSubject } from './stores.given.ts'

describe.skipIf(!hasRedis)('limits in Redis', () => {
  test('cost one command for a call of several counters, and every key expires', async () => {
    const server = await startRedis()
    const redis = await inspectRedis(server.url)
    const limiter = await openRedisLimiter(server.url, systemClock)
    const evals = async () =>
      Number(/cmdstat_eval:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0)
    const alice = newSubject()
    const counters = [alice('user', 10), alice('chat', 1, 60)]
    const before = await evals()
    await limiter.take(counters)

    await limiter.take(counters)

    expect((await evals()) - before).toBe(2)

    const keys = await redis.keys(`*${counters[0]!.subject}*`)
    expect(keys).toHaveLength(2)
    for (const key of keys) expect(await redis.pTTL(key)).toBeGreaterThan(0)

    await limiter.close()
    redis.destroy()
    await server.kill()
  })
})
