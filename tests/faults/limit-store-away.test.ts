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

/** A call waits so long for the store at most. */
const PATIENCE_MS = 300
const QUOTA = 5

const ENV = { RATE_LIMIT_ANONYMOUS: `${QUOTA}/3600`, TRUST_PROXY: '1' }
const WRONG = { email: 'nobody@example.com', password: 'not the password' }

let nextAddress = 1
/** An address that nobody has called from. */
const fromElsewhere = () => ({ 'X-Forwarded-For': `203.0.113.${nextAddress++}` })

type Away = 'killed' | 'silent'
/** A shared store that a test takes away and gives back. */
type Stage = {
  env: Record<string, string>
  take(how: Away): Promise<void>
  giveBack(how: Away): Promise<void>
  close(): Promise<void>
}

async function stageRedis(): Promise<Stage> {
  const redis: RedisServer = await startRedis()
  return {
    env: { REDIS_URL: redis.url },
    take: async (how) => (how === 'killed' ? redis.kill() : redis.signal('SIGSTOP')),
    giveBack: async (how) => (how === 'killed' ? redis.start() : redis.signal('SIGCONT')),
    close: () => redis.kill(),
  }
}

/** The limits lose their way to PostgreSQL; the data keep theirs. */
async function stagePostgres({ options }: TestStore): Promise<Stage> {
  const wire = await openFaultyProxy(options.databaseUrl!)
  return {
    env: { DATABASE_URL: wire.url, SIGNING_KEYS_FILE: SHARED_KEYS },
    take: async (how) => wire.set(how === 'killed' ? 'cut' : 'silent'),
    giveBack: async () => wire.set('open'),
    close: async () => wire.close(),
  }
}

/**
 * Lets the server ask again until the store is back. The steps are small, so that the store, which
 * does not go by the clock of the tests, has its time to answer before a probe is given up.
 */
async function probeUntil({ clock }: TestServer, isBack: () => boolean | Promise<boolean>) {
  await until(async () => {
    await clock.advance(PATIENCE_MS / 3)
    return until(isBack, 100).catch(() => false)
  })
}

const STAGES = [
  { name: 'Redis', can: hasRedis, open: stageRedis },
  { name: 'PostgreSQL', can: DATABASE_URL !== undefined, open: stagePostgres },
]

describe.each(STAGES)('while the limits are without their $name', ({ can, open }) => {
  if (!can) {
    test.skip('there is none on this machine to take away', () => {})
    return
  }
  let testStore: TestStore
  let stage: Stage
  let server: TestServer
  beforeEach(async () => {
    testStore = await openTestStore()
    stage = await open(testStore)
    server = await startServer({ testStore, env: { ...ENV, ...stage.env } })
  })
  afterEach(async () => {
    await server.close()
    await stage.close()
    await testStore.close()
  })

  const listModes = (headers: Record<string, string>) =>
    server.anonymous.call('listModes', { headers })
  const limits = async () => {
    const { body } = await server.anonymous.call('getReadiness')
    return 'checks' in body && body.checks.find(({ name }) => name === 'limits')?.status
  }
  const said = (message: string) =>
    server.logLines().filter(({ msg }) => String(msg).startsWith(message)).length
  const takeAway = async (how: Away) => {
    await stage.take(how)
    const first = listModes(fromElsewhere())
    // Only one that hangs has to be waited for, by the clock of the tests.
    await until(async () => {
      await server.clock.advance(PATIENCE_MS)
      return said('limit store unavailable') === 1
    })
    expect((await first).status).toBe(200)
  }
  const comeBack = async (how: Away) => {
    await stage.giveBack(how)
    await probeUntil(server, () => said('limit store available again') === 1)
  }

  test.each(['killed', 'silent'] as const)('(%s) limits go on in the process', async (how) => {
    await takeAway(how)
    const headers = fromElsewhere()

    // The clock stands still: none of these waits for the store.
    const answers = await Promise.all(Array.from({ length: 50 }, () => listModes(headers)))
    const statuses = answers.map(({ status }) => status)

    expect(statuses.filter((status) => status === 200)).toHaveLength(QUOTA)
    expect(statuses.filter((status) => status === 429)).toHaveLength(50 - QUOTA)
    expect(said('limit store unavailable')).toBe(1)
  })

  test.each(['killed', 'silent'] as const)('(%s) sign-in is 503, never 429', async (how) => {
    await takeAway(how)
    for (let i = 0; i < 3; i += 1) {
      const answer = await server.anonymous.call('logIn', { headers: fromElsewhere(), body: WRONG })
      expect(answer.status).toBe(503)
      expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
      expect(answer.body).toMatchObject({ code: 'unavailable' })
    }
  })

  test.each(['killed', 'silent'] as const)(
    '(%s) readiness says so, and that they are back',
    async (how) => {
      expect(await limits()).toBe('up')

      await takeAway(how)
      expect(await limits()).toBe('down')
      expect(said('limit store available again')).toBe(0)

      await comeBack(how)
      expect(await limits()).toBe('up')

      const answer = await server.anonymous.call('logIn', { headers: fromElsewhere(), body: WRONG })
      expect(answer.status).toBe(401)
      expect([said('limit store unavailable'), said('limit store available again')]).toEqual([1, 1])
    },
  )

  test('calls on their way when it hangs wait once, all at the same time', async () => {
    await stage.take('silent')
    const calls = Array.from({ length: 50 }, () => listModes(fromElsewhere()))

    await until(async () => {
      await server.clock.advance(PATIENCE_MS)
      return said('limit store unavailable') === 1
    })

    for (const { status } of await Promise.all(calls)) expect(status).toBe(200)
    expect(said('limit store unavailable')).toBe(1)
  })

  test('readiness alone finds out', async () => {
    await stage.take('killed')

    expect(await limits()).toBe('down')
    expect(said('limit store unavailable')).toBe(1)
  })

  test('a server starts, and counts there once it comes', async () => {
    await stage.take('killed')
    const late = await startServer({ testStore, env: { ...ENV, ...stage.env } })
    const answer = await late.anonymous.call('listModes', { headers: fromElsewhere() })
    expect(answer.status).toBe(200)

    await stage.giveBack('killed')
    await probeUntil(late, async () => (await late.parley.deps.limiter.check()) === 'up')
    await late.close()
  })
})

describe.skipIf(!hasRedis)(
  'a process that was busy for longer than it waits for the limits',
  () => {
    test('does not take that for a store that is away', async () => {
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

describe.each(STAGES)('what was counted in $name', ({ can, open }) => {
  if (!can) {
    test.skip('there is none on this machine', () => {})
    return
  }
  test('is still there when Parley was restarted', async () => {
    const testStore = await openTestStore()
    const stage = await open(testStore)
    const env = { ...ENV, ...stage.env }
    const headers = fromElsewhere()
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
    await stage.close()
    await testStore.close()
  })
})
