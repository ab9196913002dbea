import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { MemoryLimiter } from '../../src/ports/limiter/memory.ts'
import { openRedisLimiter } from '../../src/ports/limiter/redis.ts'
import { FallbackLimiter } from '../../src/ports/limiter/fallback.ts'
import { createLog } from '../../src/ports/observability/log.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { DATABASE_URL } from '../support/database/limit-stores.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/database/redis-server.ts'
import { SHARED_KEYS, startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { openFaultyProxy } from '../support/wire/faulty-proxy.ts'

/** The longest time that a call waits for the store. */
const PATIENCE_MS = 300
const QUOTA = 5

const ENV = { RATE_LIMIT_ANONYMOUS: `${QUOTA}/3600`, TRUST_PROXY: '1' }
const WRONG_LOGIN = { email: 'nobody@example.com', password: 'not the password' }

let nextAddress = 1
/** Returns the headers of a call from a new address. */
const fromNewAddress = () => ({ 'X-Forwarded-For': `203.0.113.${nextAddress++}` })

type Outage = 'killed' | 'silent'
/** A shared store that a test can make unavailable and restore. */
type StoreControl = {
  env: Record<string, string>
  interrupt(how: Outage): Promise<void>
  restore(how: Outage): Promise<void>
  close(): Promise<void>
}

async function controlRedis(): Promise<StoreControl> {
  const redis: RedisServer = await startRedis()
  return {
    env: { REDIS_URL: redis.url },
    interrupt: async (how) => (how === 'killed' ? redis.kill() : redis.signal('SIGSTOP')),
    restore: async (how) => (how === 'killed' ? redis.start() : redis.signal('SIGCONT')),
    close: () => redis.kill(),
  }
}

/** Only the limits lose their connection to PostgreSQL; the data keep theirs. */
async function controlPostgres({ options }: TestStore): Promise<StoreControl> {
  const wire = await openFaultyProxy(options.databaseUrl!)
  return {
    env: { DATABASE_URL: wire.url, SIGNING_KEYS_FILE: SHARED_KEYS },
    interrupt: async (how) => wire.set(how === 'killed' ? 'cut' : 'silent'),
    restore: async () => wire.set('open'),
    close: async () => wire.close(),
  }
}

/**
 * Advances the clock until the server finds the store available. The steps are small, because the store
 * works in real time and needs some of it to answer before a probe times out.
 */
async function probeUntil({ clock }: TestServer, isAvailable: () => boolean | Promise<boolean>) {
  await until(async () => {
    await clock.advance(PATIENCE_MS / 3)
    return until(isAvailable, 100).catch(() => false)
  })
}

const STORES = [
  { name: 'Redis', hasStore: hasRedis, open: controlRedis },
  { name: 'PostgreSQL', hasStore: DATABASE_URL !== undefined, open: controlPostgres },
]

describe.each(STORES)('while the limit store in $name is unavailable', ({ hasStore, open }) => {
  if (!hasStore) {
    test.skip('needs a store on this machine', () => {})
    return
  }
  let testStore: TestStore
  let control: StoreControl
  let server: TestServer
  beforeEach(async () => {
    testStore = await openTestStore()
    control = await open(testStore)
    server = await startServer({ testStore, env: { ...ENV, ...control.env } })
  })
  afterEach(async () => {
    await server.close()
    await control.close()
    await testStore.close()
  })

  const listModes = (headers: Record<string, string>) =>
    server.anonymous.call('listModes', { headers })
  const getLimitsStatus = async () => {
    const { body } = await server.anonymous.call('getReadiness')
    return 'checks' in body && body.checks.find(({ name }) => name === 'limits')?.status
  }
  const countLines = (message: string) =>
    server.logLines().filter(({ msg }) => String(msg).startsWith(message)).length
  const interruptStore = async (how: Outage) => {
    await control.interrupt(how)
    const first = listModes(fromNewAddress())
    // Only a store that hangs needs the clock of the tests to move.
    await until(async () => {
      await server.clock.advance(PATIENCE_MS)
      return countLines('limit store unavailable') === 1
    })
    expect((await first).status).toBe(200)
  }
  const restoreStore = async (how: Outage) => {
    await control.restore(how)
    await probeUntil(server, () => countLines('limit store available again') === 1)
  }

  test.each(['killed', 'silent'] as const)('each process counts on its own (%s)', async (how) => {
    await interruptStore(how)
    const headers = fromNewAddress()

    // The clock stands still: none of these waits for the store.
    const answers = await Promise.all(Array.from({ length: 50 }, () => listModes(headers)))
    const statuses = answers.map(({ status }) => status)

    expect(statuses.filter((status) => status === 200)).toHaveLength(QUOTA)
    expect(statuses.filter((status) => status === 429)).toHaveLength(50 - QUOTA)
    expect(countLines('limit store unavailable')).toBe(1)
  })

  test.each(['killed', 'silent'] as const)('sign-in is 503, never 429 (%s)', async (how) => {
    await interruptStore(how)

    for (let i = 0; i < 3; i += 1) {
      const answer = await server.anonymous.call('logIn', {
        headers: fromNewAddress(),
        body: WRONG_LOGIN,
      })
      expect(answer.status).toBe(503)
      expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
      expect(answer.body).toMatchObject({ code: 'unavailable' })
    }
  })

  test.each(['killed', 'silent'] as const)(
    'readiness shows the outage and its end (%s)',
    async (how) => {
      expect(await getLimitsStatus()).toBe('up')

      await interruptStore(how)
      expect(await getLimitsStatus()).toBe('down')
      expect(countLines('limit store available again')).toBe(0)

      await restoreStore(how)
      expect(await getLimitsStatus()).toBe('up')

      const answer = await server.anonymous.call('logIn', {
        headers: fromNewAddress(),
        body: WRONG_LOGIN,
      })
      expect(answer.status).toBe(401)
      expect([
        countLines('limit store unavailable'),
        countLines('limit store available again'),
      ]).toEqual([1, 1])
    },
  )

  test('calls in progress when it hangs wait once, all at the same time', async () => {
    await control.interrupt('silent')
    const calls = Array.from({ length: 50 }, () => listModes(fromNewAddress()))

    await until(async () => {
      await server.clock.advance(PATIENCE_MS)
      return countLines('limit store unavailable') === 1
    })

    for (const { status } of await Promise.all(calls)) expect(status).toBe(200)
    expect(countLines('limit store unavailable')).toBe(1)
  })

  test('a readiness check finds the outage without any other call', async () => {
    await control.interrupt('killed')

    expect(await getLimitsStatus()).toBe('down')
    expect(countLines('limit store unavailable')).toBe(1)
  })

  test('a server starts, and counts in the store once that is available', async () => {
    await control.interrupt('killed')
    const late = await startServer({ testStore, env: { ...ENV, ...control.env } })
    const answer = await late.anonymous.call('listModes', { headers: fromNewAddress() })
    expect(answer.status).toBe(200)

    await control.restore('killed')
    await probeUntil(late, async () => (await late.parley.deps.limiter.check()) === 'up')
    await late.close()
  })
})

describe.skipIf(!hasRedis)(
  'a process that was busy for longer than it waits for the limit store',
  () => {
    test('does not take the delay for an outage of the store', async () => {
      const redis = await startRedis()
      const lines: string[] = []
      const log = createLog('debug', { write: (line: string) => void lines.push(line) })
      const shared = await openRedisLimiter(redis.url, systemClock)
      const deps = { clock: systemClock, log }
      const limiter = new FallbackLimiter(shared, new MemoryLimiter(systemClock), deps)
      const counter = { name: 'chat', subject: 'alice', quota: 10, windowSeconds: 60 }

      const taken = limiter.take([counter])
      await nextTurn()
      const busyUntil = performance.now() + 2 * PATIENCE_MS
      while (performance.now() < busyUntil);
      await taken

      expect(lines).toEqual([])
      expect(await shared.peek([counter])).toMatchObject([{ remaining: 9 }])

      await limiter.close()
      await redis.kill()
    })
  },
)

describe.each(STORES)('the counts in $name', ({ hasStore, open }) => {
  if (!hasStore) {
    test.skip('needs such a store on this machine', () => {})
    return
  }
  test('survive a restart of Parley', async () => {
    const testStore = await openTestStore()
    const control = await open(testStore)
    const env = { ...ENV, ...control.env }
    const headers = fromNewAddress()

    for (const [status, calls] of [
      [200, QUOTA],
      [429, 2],
    ]) {
      const server = await startServer({ testStore, env })
      for (let i = 0; i < calls!; i += 1) {
        expect((await server.anonymous.call('listModes', { headers })).status).toBe(status)
      }
      await server.close()
    }

    await control.close()
    await testStore.close()
  })
})
