import { createClient } from '@redis/client'
import { systemClock } from '../../../src/ports/clock/clock.ts'
import type { Limiter } from '../../../src/ports/limiter/limiter.ts'
import { MemoryLimiter } from '../../../src/ports/limiter/memory.ts'
import { PostgresLimiter } from '../../../src/ports/limiter/postgres.ts'
import { openRedisLimiter } from '../../../src/ports/limiter/redis.ts'
import { openLimitCounters } from '../../../src/store/limit-counters.ts'
import { TestClock } from '../clock/clock.ts'
import { openTestStore } from './database.ts'
import { until } from '../clock/until.ts'

const REDIS_URL = process.env['TEST_REDIS_URL']
export const DATABASE_URL = process.env['TEST_DATABASE_URL']

/** A place where limits are counted, as a test needs it. */
export type LimitStore = {
  /** Another instance of Parley that counts there; in memory there is only the first. */
  openInstance(): Promise<Limiter>
  /** Resolves when a window of one second that has begun before has ended. */
  outlastOneSecond(ended: () => Promise<boolean>): Promise<unknown>
  close(): Promise<void>
}

type Opener = { name: string; open: (() => Promise<LimitStore>) | undefined }

/** All stores; those without `open` have no server in this run. */
export const LIMIT_STORES: Opener[] = [
  { name: 'memory', open: openMemory },
  { name: 'Redis', open: REDIS_URL === undefined ? undefined : () => openRedis(REDIS_URL) },
  { name: 'PostgreSQL', open: DATABASE_URL === undefined ? undefined : openPostgres },
]

async function openMemory(): Promise<LimitStore> {
  const clock = new TestClock()
  const limiter = new MemoryLimiter(clock)
  return {
    openInstance: async () => limiter,
    outlastOneSecond: () => clock.advance(1_000),
    close: async () => {},
  }
}

async function openRedis(url: string): Promise<LimitStore> {
  const opened: Limiter[] = []
  return {
    async openInstance() {
      const limiter = await openRedisLimiter(url, systemClock)
      opened.push(limiter)
      return limiter
    },
    outlastOneSecond: until,
    async close() {
      await Promise.all(opened.map((limiter) => limiter.close()))
    },
  }
}

async function openPostgres(): Promise<LimitStore> {
  const testStore = await openTestStore()
  const opened: Limiter[] = []
  return {
    async openInstance() {
      const limiter = new PostgresLimiter(openLimitCounters(testStore.options.databaseUrl!))
      opened.push(limiter)
      return limiter
    },
    outlastOneSecond: until,
    async close() {
      await Promise.all(opened.map((limiter) => limiter.close()))
      await testStore.close()
    },
  }
}

/** A bare connection to Redis, to look behind the limits. */
export async function inspectRedis(url: string) {
  const client = createClient({ url, RESP: 2 })
  await client.connect()
  return client
}
