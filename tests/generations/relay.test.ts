import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { openRedisLimiter } from '../../src/ports/limiter/redis.ts'
import { openRedisRelay } from '../../src/ports/redis/relay.ts'
import { TestClock } from '../support/clock/clock.ts'
import { openTestStore } from '../support/database/database.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import * as kinds from '../support/database/redis-kinds.ts'
import { hasRedis } from '../support/database/redis-server.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'

/** Reads a stream. Returns a function that advances the server's clock until a text has arrived. */
async function readStream(server: TestServer, address: string, headers: Record<string, string>) {
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

describe.skipIf(!hasRedis)('the relay through Redis', () => {
  test.each<[string, () => Promise<kinds.RedisKind>]>([
    ['a server of its own', () => kinds.redisWith([])],
    ['a numbered database', () => kinds.redisWith([], ({ url }) => `${url}/2`)],
    ['a user with the documented rights', () => kinds.redisWithUser(...kinds.documentedRules())],
    ['a socket', () => kinds.redisWithSocket()],
  ])(
    'sends unsaved text to another instance through %s, and saved text without Redis',
    async (_kind, openRedis) => {
      const redis = await openRedis()
      const testStore = await openTestStore()
      const engine = createManualEngine()
      const open = (deps = {}) =>
        startServer({
          testStore,
          env: { REDIS_URL: redis.url },
          clock: new TestClock('2026-11-23T09:00:00.000Z'),
          replacements: { deps },
        })
      const [first, second] = [await open({ engine }), await open()]
      const alice = await first.createUser()

      const opening = openStream(alice, { message: 'Hello' })
      const turn = await engine.next()
      turn.say('One ')
      const stream = await opening
      const [generationId] = (await stream.next())!.id.split(':')

      // Text is saved after half a second, so none is saved yet.
      await first.clock.advance(60)
      const path = { path: { generationId: generationId! } }
      const address = second.url + new URL(alice.urlOf('resumeStream', path)).pathname
      const seenWith = await readStream(second, address, alice.credentials)
      expect(await seenWith('"One "')).toContain(`id: ${generationId}:2\n`)

      await redis.close()
      turn.say('two')
      await first.clock.advance(600)
      await seenWith('"two"')
      turn.end()
      await stream.rest()

      const all = await seenWith('message.end')
      const ids = [...all.matchAll(/^id: .*:(\d+)$/gm)].map(([, seq]) => Number(seq))
      expect(ids).toEqual([1, 2, 3, 4])

      await second.close()
      await first.close()
      await testStore.close()
    },
  )

  test('keeps two databases of one Redis apart', async () => {
    const redis = await kinds.redisWith([])
    const urls = [`${redis.url}/0`, `${redis.url}/2`]
    const relays = await Promise.all(urls.map((url) => openRedisRelay(url, systemClock)))
    const limiters = await Promise.all(urls.map((url) => openRedisLimiter(url, systemClock)))

    await relays[0]!.publish('one', [{ seq: 1, text: 'heard' }])
    expect(await Promise.all(relays.map((relay) => relay.read('one', 0)))).toEqual([
      [{ seq: 1, text: 'heard' }],
      [],
    ])

    const counter = { name: 'anonymous', subject: '10.0.0.7', quota: 5, windowSeconds: 60 }
    await limiters[0]!.take([counter])
    const tallies = await Promise.all(limiters.map((limiter) => limiter.peek([counter])))
    expect(tallies.flat().map(({ remaining }) => remaining)).toEqual([4, 5])

    for (const relay of relays) relay.close()
    await Promise.all(limiters.map((limiter) => limiter.close()))
    await redis.close()
  })
})
