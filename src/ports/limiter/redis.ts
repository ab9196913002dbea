import type { Clock } from '../clock/clock.ts'
import { redisFault, type StoreFault } from '../redis/faults.ts'
import { openRedis, type RedisConnection } from '../redis/redis.ts'
import {
  checkByUse,
  type Count,
  type Counter,
  keyOf,
  type SharedLimiter,
  type Tally,
  tallyOf,
  tallyOfTake,
} from './limiter.ts'

/**
 * Redis runs one script at a time, so a call is counted all or none. KEYS are the counters. ARGV has
 * the points to take from each (negative: to give back; 0: to look), then the quota and the window
 * in seconds of each key. Returns {consumed, milliseconds to the window's end} for each key. If one
 * would exceed its quota nothing changes, and its `consumed` is what it would have been.
 */
const TAKE_ALL_OR_NONE = `
local points, consumed, refused = tonumber(ARGV[1]), {}, false
for i, key in ipairs(KEYS) do
  consumed[i] = tonumber(redis.call('GET', key) or '0')
  if points > 0 and consumed[i] + points > tonumber(ARGV[2 * i]) then refused = true end
end
local counts = {}
for i, key in ipairs(KEYS) do
  local quota, windowMs = tonumber(ARGV[2 * i]), 1000 * tonumber(ARGV[2 * i + 1])
  local after = math.max(0, consumed[i] + points)
  local ttl = redis.call('PTTL', key)
  if not refused and after ~= consumed[i] then
    redis.call('INCRBY', key, after - consumed[i])
    if ttl < 0 then redis.call('PEXPIRE', key, windowMs) end
    consumed[i] = after
  elseif refused and after > quota then
    consumed[i] = after
  end
  if ttl < 0 then ttl = windowMs end
  counts[i] = {consumed[i], ttl}
end
return counts`

/**
 * A limiter over a connection of its own.
 * @param url `redis://` or `rediss://`
 */
export async function openRedisLimiter(url: string, clock: Clock): Promise<RedisLimiter> {
  return new RedisLimiter(await openRedis(url, clock))
}

/** Counts in Redis. Keys expire by themselves; the time is that of Redis. */
export class RedisLimiter implements SharedLimiter {
  readonly #connection: RedisConnection

  constructor(connection: RedisConnection) {
    this.#connection = connection
  }

  async take(counters: readonly Counter[]): Promise<Tally[]> {
    const counts = await this.#run(1, counters)
    return counters.map((counter, i) => tallyOfTake(counter, counts[i]!))
  }

  async giveBack(counter: Counter): Promise<void> {
    await this.#run(-1, [counter])
  }

  async clear(counter: Counter): Promise<void> {
    await this.#connection.client().del(redisKeyOf(counter))
  }

  async peek(counters: readonly Counter[]): Promise<Tally[]> {
    const counts = await this.#run(0, counters)
    return counters.map((counter, i) => tallyOf(counter, counts[i]))
  }

  check(): Promise<'up'> {
    return checkByUse(this)
  }

  prune(): Promise<void> {
    return Promise.resolve()
  }

  explain(error: unknown): StoreFault | undefined {
    return redisFault(error)
  }

  reconnect(): void {
    this.#connection.reconnect()
  }

  async close(): Promise<void> {
    this.#connection.close()
  }

  async #run(points: 1 | 0 | -1, counters: readonly Counter[]): Promise<Count[]> {
    const quotas = counters.flatMap(({ quota, windowSeconds }) => [quota, windowSeconds])
    const given = { keys: counters.map(redisKeyOf), arguments: [points, ...quotas].map(String) }
    // EVAL and not EVALSHA: a Redis that has lost the script would cost a second round trip.
    const reply = await this.#connection.client().eval(TAKE_ALL_OR_NONE, given)
    const counts = reply as unknown as [consumed: number, resetsInMs: number][]
    return counts.map(([consumed, resetsInMs]) => ({ consumed, resetsInMs }))
  }
}

function redisKeyOf(counter: Counter): string {
  return `parley:limit:${keyOf(counter)}`
}
