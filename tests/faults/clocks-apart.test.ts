import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Client, createClient } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { JumpingClock } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'

const APART_MS = 20_000
/** Leases of others are looked at, and clocks are set, so often. */
const TURN_MS = 10_000
const STEP_MS = 500

const engine = createManualEngine()
let testStore: TestStore
let here: TestServer
let there: TestServer
let clockThere: JumpingClock

/** Two instances on one database whose clock is that of the first. */
async function start(apartMs: number): Promise<void> {
  testStore = await openTestStore()
  const clock = new TestClock('2026-11-23T09:00:00.000Z')
  clockThere = new JumpingClock(new Date(clock.now().getTime() + apartMs))
  const shared = { ...testStore.store, embedded: false }
  const options = { testStore, databaseNow: () => clock.now() }
  const instead = { deps: { engine, store: shared } }
  here = await startServer({ ...options, replacements: instead, clock })
  there = await startServer({ ...options, replacements: instead, clock: clockThere })
}

async function end(): Promise<void> {
  await Promise.all([here.close(), there.close()])
  await testStore.close()
}

const at = (server: TestServer, { identity }: Client) => createClient(server.url, identity)

/** Time passes for both, one as fast as the other. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    await Promise.all([here.clock.advance(STEP_MS), there.clock.advance(STEP_MS)])
  }
}

describe.each([
  ['before', APART_MS],
  ['behind', -APART_MS],
])('with a clock 20 s %s the other', (_how, apartMs) => {
  beforeAll(() => start(apartMs))
  afterAll(end)

  test('an instance takes the tokens of the other, and the other its own', async () => {
    const [alice, bob] = [await here.createUser(), await there.createUser()]
    await at(there, alice).expect(200, 'getProfile')
    await at(here, bob).expect(200, 'getProfile')
  })

  test('an instance does not take the answers of the other for dead', async () => {
    // One after the other: the engine that both ask does not know whose turn is whose.
    const streams = [
      await openManualStream(engine, await here.createUser()),
      await openManualStream(engine, await there.createUser()),
    ]
    await pass(TURN_MS + STEP_MS)
    for (const { turn, stream } of streams) {
      turn.end()
      expect((await stream.rest()).at(-1)!.name).toBe('message.end')
    }
  })

  test('an instance does not take over a call that runs on the other', async () => {
    const alice = await here.createUser()
    const call = {
      headers: { 'Idempotency-Key': randomUUID() },
      body: { message: 'Hi' },
    }
    const first = alice.expect(200, 'sendMessage', call)
    const turn = await engine.next()
    await at(there, alice).refused('idempotency-in-progress', 'sendMessage', call)
    turn.say('Hello')
    turn.end()
    const { body } = await first
    expect(body.message).toMatchObject({ content: 'Hello', status: 'complete' })

    const again = await at(there, alice).expect(200, 'sendMessage', call)
    expect(again.body).toEqual(body)
  })
})

test('a clock that is set wrong while an instance runs is right again in time', async () => {
  await start(0)
  clockThere.jump(APART_MS)
  await pass(TURN_MS + STEP_MS)
  const bob = await there.createUser()
  await at(here, bob).expect(200, 'getProfile')
  await end()
})
