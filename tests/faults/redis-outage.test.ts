import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { newServerSecret } from '../../src/ports/keys/server-secret.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { type Client, createClient } from '../support/client.ts'
import { openEmptyServerDatabase } from '../support/database/database.ts'
import {
  ADMIN,
  openWorkplace,
  type ParleyProcess,
  type Workplace,
} from '../support/process/process.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/database/redis-server.ts'
import { type OpenStream, openStream, resumeStream, textOf } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'

const PATIENCE_MS = 180_000
/** No call waits for Redis longer than 300 ms; the rest is a margin for a busy machine. */
const LONGEST_CALL_MS = 10_000
const RECOVERY_MS = 10_000

let workplace: Workplace
let upstream: TestUpstream
let redis: RedisServer
let database: Awaited<ReturnType<typeof openEmptyServerDatabase>>
let instances: ParleyProcess[]
/** The same user at each instance. */
let alices: [Client, Client]

// The embedded database serves only one instance.
const isAvailable = hasRedis && !('snapshot' in inject('migrated'))

describe.skipIf(!isAvailable)('two instances during an outage of Redis', () => {
  beforeEach(async () => {
    workplace = await openWorkplace()
    upstream = await startUpstream()
    redis = await startRedis()
    database = await openEmptyServerDatabase()
    const keysFile = join(workplace.directory, 'keys.json')
    await writeFile(keysFile, await newSigningKeysText(), { mode: 0o600 })
    const env = {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      SIGNING_KEYS_FILE: keysFile,
      SERVER_SECRET: newServerSecret(),
      CHAT_UPSTREAM_URL: upstream.url,
      MAX_OPEN_STREAMS: '100',
    }
    instances = [await workplace.start(env), await workplace.start(env)]
    const alice = await instances[0]!.logIn()
    alices = [alice, createClient(instances[1]!.url, alice.identity)]
  }, PATIENCE_MS)
  afterEach(async () => {
    await workplace.close()
    await upstream.close()
    await redis.kill()
    await database.drop()
  })

  test.each([
    ['killed', { interrupt: () => redis.kill(), restore: () => redis.start() }],
    [
      'stopped',
      {
        interrupt: async () => redis.signal('SIGSTOP'),
        restore: async () => redis.signal('SIGCONT'),
      },
    ],
  ])(
    'refuse sign-in with 503, do everything else, and recover when Redis is back (%s)',
    async (_how, { interrupt, restore }) => {
      const load = startLoad()
      const before = await startStreams()

      await interrupt()
      const during = await startStreams()
      for (let round = 0; round < 3; round += 1) {
        for (const alice of alices) await expectSignInUnavailable(alice)
      }

      upstream.release()
      for (const { made, resumed } of [before, during].flat()) {
        const [whole, seen] = [await made.rest(), await resumed.rest()]
        expect(whole.at(-1)!.name).toBe('message.end')
        expect(seen.at(-1)!.event).toEqual(whole.at(-1)!.event)
        expect(seen.map(({ id }) => id).slice(-whole.length)).toEqual(whole.map(({ id }) => id))
        expect(textOf(seen)).toBe('Hello from upstream.')
      }

      await restore()
      for (const alice of alices) {
        const isBack = async () => (await alice.call('logIn', { body: ADMIN })).status === 200
        await until(isBack, RECOVERY_MS)
      }
      expect(await load.failures()).toEqual([])
    },
    PATIENCE_MS,
  )
})

async function expectSignInUnavailable(alice: Client): Promise<void> {
  const answer = await within(alice.call('logIn', { body: ADMIN }))
  expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } })
  expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
}

/** Starts an answer at each instance, with one reader there and one at the other. */
async function startStreams(): Promise<{ made: OpenStream; resumed: OpenStream }[]> {
  upstream.script = { stallAfter: 2 }
  const streams = []
  for (const [here, there] of [alices, alices.toReversed()] as [Client, Client][]) {
    const made = await openStream(here, { message: 'Hello' })
    const start = (await made.next())!.event
    if (start.type !== 'message.start') throw new Error(start.type)
    const resumed = await resumeStream(there, start.generationId)
    expect((await resumed.next())!.event).toEqual(start)
    streams.push({ made, resumed })
  }
  upstream.script = {}
  return streams
}

/** Starts callers that read and write at both instances until `failures` is called. */
function startLoad() {
  let isOver = false
  const failures: unknown[] = []
  const callers = alices.map(async (alice) => {
    while (!isOver) {
      const answers = [
        await within(alice.call('listConversations')),
        await within(alice.call('createConversation', { body: { title: 'New' } })),
        await within(alice.call('getHealth')),
      ]
      failures.push(...answers.filter(({ status }) => status >= 300))
    }
  })
  return {
    async failures() {
      isOver = true
      await Promise.all(callers)
      return failures
    },
  }
}

/** @throws when the call takes too long */
async function within<T>(work: Promise<T>): Promise<T> {
  let isOver = false
  const settle = () => {
    isOver = true
  }
  work.then(settle, settle)
  await until(() => isOver, LONGEST_CALL_MS)
  return work
}
