import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'

/** The embedded database serves one process, which counts in memory. */
const isShared = process.env['TEST_DATABASE_URL'] !== undefined

describe.skipIf(!isShared)('the open streams of two instances', () => {
  let testStore: TestStore
  let here: TestServer
  let there: TestServer
  const engine = createManualEngine()
  beforeAll(async () => {
    testStore = await openTestStore()
    const options = { testStore, replacements: { deps: { engine } } }
    here = await startServer(options)
    there = await startServer({ ...options, clock: here.clock })
  })
  afterAll(async () => {
    for (const server of [here, there]) await server.close()
    await testStore.close()
  })

  test('are counted together, exactly, and make room when one ends', async () => {
    const alice = await here.createUser()
    const clients = [alice, createClient(there.url, alice.identity)]
    const opening = Array.from({ length: 12 }, (_, i) =>
      openStream(clients[i % 2]!, { message: 'Hello' }),
    )
    for (let i = 0; i < 5; i += 1) (await engine.next()).say('One ')

    const streams = await Promise.all(opening)

    expect(streams.map(({ status }) => status).sort()).toEqual([
      ...Array<number>(5).fill(200),
      ...Array<number>(7).fill(429),
    ])

    streams.find(({ status }) => status === 200)!.hangUp()
    const isAccepted = async () => {
      const opening = openStream(clients[1]!, { message: 'Again' })
      void engine.next().then((turn) => turn.say('Two '))
      return (await opening).status === 200
    }
    await until(isAccepted)
  })

  test('make room within 30 seconds when their instance has died', async () => {
    const bob = await here.createUser()
    const now = here.clock.now()
    const { id: accountId } = (await bob.expect(200, 'getProfile')).body
    const abandoned = { accountId, most: 5, now, until: new Date(now.getTime() + 30_000) }
    for (let i = 0; i < 5; i += 1) {
      const openStream = { ...abandoned, id: randomUUID() }
      await testStore.store.atomically((nouns) => nouns.openStreams.take(openStream))
    }
    await bob.refused('too-many-streams', 'streamMessage', { body: { message: 'Hello' } })

    await here.clock.advance(30_000)
    const opening = openStream(bob, { message: 'Hello' })
    void engine.next().then((turn) => turn.say('Three '))

    expect((await opening).status).toBe(200)
  })
})
