import { randomUUID } from 'node:crypto'
import { ErrorReply } from '@redis/client'
import { type Clock, systemClock } from '../clock/clock.ts'
import { inTime } from '../clock/in-time.ts'
import { RedisLimiter } from '../limiter/redis.ts'
import { openRedis, type RedisConnection } from './redis.ts'
import { redisFault } from './faults.ts'
import { transportFault } from './transport.ts'
import { createRedisRelay, type Relay } from './relay.ts'
import { StartRefused } from '../start-refused.ts'

/** A start waits no longer for a Redis that hangs; real time, as for all connections. */
const PATIENCE_MS = 2_000

/**
 * Uses a Redis in every way that limits and the relay of answers do. One that is unavailable for the
 * moment is no reason not to start: until it comes, limits are counted in this process.
 * @returns advice for the operator
 * @throws StartRefused if it can never work
 */
export async function tryRedis(url: string, clock: Clock): Promise<string[]> {
  const connection = await openRedis(url, clock)
  try {
    const trial = Promise.all([
      new RedisLimiter(connection).check(),
      tryRelay(createRedisRelay(connection)),
    ])
    await inTime(trial, PATIENCE_MS, systemClock)
    return await inTime(adviceOn(connection), PATIENCE_MS, systemClock)
  } catch (error) {
    const sentence = await lastingFault(url, connection.misread() ?? error)
    if (sentence !== undefined) throw new StartRefused(sentence, { cause: error })
    return []
  } finally {
    connection.close()
  }
}

async function lastingFault(url: string, error: unknown): Promise<string | undefined> {
  const fault = redisFault(error)
  if (fault && !fault.passing) return fault.sentence
  // A Redis that replies, even with a refusal, is reached with the right transport.
  return error instanceof ErrorReply ? undefined : transportFault(url)
}

async function tryRelay(relay: Relay): Promise<void> {
  const generationId = `probe:${randomUUID()}`
  await relay.publish(generationId, [{ seq: 1, text: '' }])
  await relay.read(generationId, 0)
}

/** A user may lack INFO: then there is no advice. */
async function adviceOn(connection: RedisConnection): Promise<string[]> {
  const memory = await connection
    .client()
    .info('memory')
    .catch(() => '')
  const [, limit = '0'] = /^maxmemory:(\d+)/m.exec(memory) ?? []
  const [, policy = 'noeviction'] = /^maxmemory_policy:([\w-]+)/m.exec(memory) ?? []
  if (limit === '0' || policy === 'noeviction') return []
  return [
    `Redis deletes keys, including rate limits, when its memory is full (maxmemory-policy ${policy}): ` +
      'set noeviction, or use a separate Redis for Parley.',
  ]
}
