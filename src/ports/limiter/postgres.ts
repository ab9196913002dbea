import {
  type IRateLimiterPostgresOptions,
  RateLimiterPostgres,
  RateLimiterRes,
} from 'rate-limiter-flexible'
import { createBatching } from './batching.ts'
import { rememberLimiters } from './counting.ts'
import { createGathering, type Gathering } from './gathering.ts'
import { createSharedLimiter, type SharedLimiter } from './shared.ts'

/** Points to take from one counter; negative ones are given back. */
export type LimitAsked = { key: string; points: number; windowSeconds: number; quota: number }
/** What was consumed; of a refused point, what would have been. */
export type LimitCount = { consumed: number; resetsInMs: number }

/** The table of the counters. Each function is one statement. */
export type LimitCounters = {
  /** Of each call changes all counters, or none if one would go beyond its quota. */
  take(calls: readonly (readonly LimitAsked[])[]): Promise<LimitCount[][]>
  /** Those whose window runs. */
  find(keys: readonly string[]): Promise<(LimitCount | undefined)[]>
  delete(key: string): Promise<boolean>
  deleteExpired(): Promise<void>
  close(): Promise<void>
}

type Ways = {
  takes: Gathering<LimitAsked, LimitCount>
  looks: Gathering<string, LimitCount | undefined>
  delete: LimitCounters['delete']
}

/**
 * RateLimiterPostgres with another way to its table: its own statements take one key at a time
 * and go by this machine's time. These four methods are what each store of the library gives it.
 */
class SharedTable extends RateLimiterPostgres {
  readonly #ways: Ways

  constructor(options: IRateLimiterPostgresOptions, ways: Ways) {
    super({ ...options, tableCreated: true, clearExpiredByTimeout: false })
    this.#ways = ways
  }

  _upsert(key: string, points: number): Promise<LimitCount> {
    const { duration: windowSeconds, points: quota } = this
    return this.#ways.takes.ask({ key, points, windowSeconds, quota })
  }

  _get(key: string): Promise<LimitCount | undefined> {
    return this.#ways.looks.ask(key)
  }

  _delete(key: string): Promise<boolean> {
    return this.#ways.delete(key)
  }

  _getRateLimiterRes(_key: string, _points: number, count: LimitCount): RateLimiterRes {
    const { consumed, resetsInMs } = count
    return new RateLimiterRes(Math.max(0, this.points - consumed), resetsInMs, consumed)
  }
}

/**
 * Counts in PostgreSQL; the time is that of the database. Calls that come while a statement is under
 * way are counted together by the next.
 */
export function createPostgresLimiter(counters: LimitCounters): SharedLimiter {
  const takes = createGathering(createBatching(counters.take))
  const looks = createGathering(counters.find)
  const ways: Ways = { takes, looks, delete: counters.delete }
  return createSharedLimiter({
    limiterOf: rememberLimiters(({ name, windowSeconds, quota }) => {
      const keyPrefix = `${name}:${windowSeconds}`
      const store = { storeClient: counters, storeType: 'client' }
      return new SharedTable({ ...store, keyPrefix, points: quota, duration: windowSeconds }, ways)
    }),
    together: (begin) => takes.together(() => looks.together(begin)),
    prune: counters.deleteExpired,
    explain: () => undefined,
    // The pool replaces a connection on which a statement was not answered in time.
    reconnect: () => {},
    close: counters.close,
  })
}
