import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Client, createClient } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { JumpingClock } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'

const SKEW_MS = 20_000
/** How often an instance checks the leases of others and its own clock. */
const CHECK_INTERVAL_MS = 10_000
const STEP_MS = 500

const engine = createManualEngine()
let testStore: TestStore
let here: TestServer
let there: TestServer
let clockThere: JumpingClock

/** Starts two instances; the second differs from the database's clock by `skewMs`. */
async function startInstances(skewMs: number): Promise<void> {
  testStore = await openTestStore()
  const clock = new TestClock('2026-11-23T09:00:00.000Z')
  clockThere = new JumpingClock(new Date(clock.now().getTime() + skewMs))
  const shared = { ...testStore.store, embedded: false }
  const options = { testStore, databaseNow: () => clock.now() }
  const replacements = { deps: { engine, store: shared } }
  here = await startServer({ ...options, replacements, clock })
  there = await startServer({ ...options, replacements, clock: clockThere })
}

async function stopInstances(): Promise<void> {
  await Promise.all([here.close(), there.close()])
  await testStore.close()
}

const onServer = (server: TestServer, { identity }: Client) => createClient(server.url, identity)

/** Advances both clocks by the same time. */
async function advanceBoth(ms: number): Promise<void> {
  for (let elapsed = 0; elapsed < ms; elapsed += STEP_MS) {
    await Promise.all([here.clock.advance(STEP_MS), there.clock.advance(STEP_MS)])
  }
}

describe.each([
  ['ahead of', SKEW_MS],
  ['behind', -SKEW_MS],
])('two instances, one clock 20 s %s the other', (_direction, skewMs) => {
  beforeAll(() => startInstances(skewMs))
  afterAll(stopInstances)

  test('accept each other’s access tokens', async () => {
    const [alice, bob] = [await here.createUser(), await there.createUser()]

    await onServer(there, alice).expect(200, 'getProfile')
    await onServer(here, bob).expect(200, 'getProfile')
  })

  test('do not interrupt each other’s answers', async () => {
    // Sequentially, because the shared engine does not tell whose turn is whose.
    const streams = [
      await openManualStream(engine, await here.createUser()),
      await openManualStream(engine, await there.createUser()),
    ]

    await advanceBoth(CHECK_INTERVAL_MS + STEP_MS)

    for (const { turn, stream } of streams) {
      turn.end()
      expect((await stream.rest()).at(-1)!.name).toBe('message.end')
    }
  })

  test('do not take over a call that is in progress on the other', async () => {
    const alice = await here.createUser()
    const call = {
      headers: { 'Idempotency-Key': randomUUID() },
      body: { message: 'Hi' },
    }

    const first = alice.expect(200, 'sendMessage', call)
    const turn = await engine.next()

    await onServer(there, alice).refused('idempotency-in-progress', 'sendMessage', call)

    turn.say('Hello')
    turn.end()
    const { body } = await first

    expect(body.message).toMatchObject({ content: 'Hello', status: 'complete' })

    const replayed = await onServer(there, alice).expect(200, 'sendMessage', call)
    expect(replayed.body).toEqual(body)
  })
})

describe('the clock of an instance that jumps while it runs', () => {
  test('corrects itself so that other instances accept its tokens', async () => {
    await startInstances(0)

    clockThere.jump(SKEW_MS)
    await advanceBoth(CHECK_INTERVAL_MS + STEP_MS)

    const bob = await there.createUser()
    await onServer(here, bob).expect(200, 'getProfile')

    await stopInstances()
  })
})
