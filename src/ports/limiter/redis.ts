import { RateLimiterRedis } from 'rate-limiter-flexible'
import type { Clock } from '../clock/clock.ts'
import { rememberLimiters } from './counting.ts'
import { createGathering } from './gathering.ts'
import { openRedis, type RedisConnection } from '../redis/redis.ts'
import { redisFault } from '../redis/faults.ts'
import { TAKE_ALL_OR_NONE } from './redis-script.ts'
import { createSharedLimiter, type SharedLimiter } from './shared.ts'

/** What RateLimiterRedis asks its script: one key and four arguments. */
type Asked = { keys: [string]; arguments: string[] }
type Count = [consumed: number, ttlMs: number]

/**
 * A limiter over a connection of its own.
 * @param url `redis://` or `rediss://`
 */
export async function openRedisLimiter(url: string, clock: Clock): Promise<SharedLimiter> {
  return createRedisLimiter(await openRedis(url, clock))
}

/** Counts in Redis. Keys expire by themselves; the time is that of Redis. */
export function createRedisLimiter(connection: RedisConnection): SharedLimiter {
  const { ask, together } = createGathering<Asked, Count>(async (asked) => {
    const keys = asked.flatMap((one) => one.keys)
    const request = { keys, arguments: asked.flatMap((one) => one.arguments) }
    // EVAL and not EVALSHA: a Redis that has forgotten the script would cost a second round trip.
    return (await connection.client().eval(TAKE_ALL_OR_NONE, request)) as unknown as Count[]
  })
  const storeClient = {
    eval: (_script: string, asked: Asked) => ask(asked),
    multi: () => connection.client().multi(),
    del: (key: string) => connection.client().del(key),
  }
  return createSharedLimiter({
    limiterOf: rememberLimiters(
      ({ name, windowSeconds, quota }) =>
        new RateLimiterRedis({
          storeClient,
          useRedisPackage: true,
          customIncrTtlLuaScript: TAKE_ALL_OR_NONE,
          keyPrefix: `parley:limit:${name}:${windowSeconds}`,
          points: quota,
          duration: windowSeconds,
        }),
    ),
    together,
    prune: () => Promise.resolve(),
    explain: redisFault,
    reconnect: () => connection.reconnect(),
    close: async () => connection.close(),
  })
}
