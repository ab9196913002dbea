import { expect, test } from 'vitest'
import { TestClock } from '../support/clock.ts'
import { openTestStore } from '../support/database.ts'
import { createHeldEngine } from '../support/held-engine.ts'
import { hasRedis, startRedis } from '../support/redis-server.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/stream.ts'

/** Follows an answer on a server, and waits for text while that server's time passes. */
async function follow(server: TestServer, address: string, headers: Record<string, string>) {
  const response = await fetch(address, { headers })
  let seen = ''
  void (async () => {
    for await (const text of response.body!.pipeThrough(new TextDecoderStream())) seen += text
  })()
  return async (text: string): Promise<string> => {
    while (!seen.includes(text)) await server.clock.advance(100)
    return seen
  }
}

test.skipIf(!hasRedis)(
  'pieces reach another instance through Redis before they are saved, and without Redis after it',
  async () => {
    const redis = await startRedis()
    const testStore = await openTestStore()
    const engine = createHeldEngine()
    const open = (deps = {}) =>
      startServer({
        testStore,
        env: { REDIS_URL: redis.url },
        clock: new TestClock('2026-11-23T09:00:00.000Z'),
        instead: { deps },
      })
    const [maker, other] = [await open({ engine }), await open()]
    const alice = await maker.newUser()
    const opening = openStream(alice, { message: 'Hello' })
    const turn = await engine.next()
    turn.say('One ')
    const stream = await opening
    const [generationId] = (await stream.next())!.id.split(':')

    // Nothing is saved yet: that takes half a second.
    await maker.clock.advance(60)
    const path = { path: { generationId: generationId! } }
    const address = other.url + new URL(alice.urlOf('resumeStream', path)).pathname
    const seenWith = await follow(other, address, alice.credentials)
    expect(await seenWith('"One "')).toContain(`id: ${generationId}:2\n`)

    await redis.kill()
    turn.say('two')
    await maker.clock.advance(600)
    await seenWith('"two"')
    turn.end()
    await stream.rest()
    const all = await seenWith('message.end')
    const ids = [...all.matchAll(/^id: .*:(\d+)$/gm)].map(([, seq]) => Number(seq))
    expect(ids).toEqual([1, 2, 3, 4])

    await other.close()
    await maker.close()
    await testStore.close()
  },
)
