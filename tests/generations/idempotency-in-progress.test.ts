import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { EngineFailure } from '../../src/engine/engine.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import { until } from '../support/clock/until.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { openStream, textOf } from '../support/wire/stream.ts'
import { callAs } from './idempotency.given.ts'

const engine = createManualEngine()
let server: TestServer
let testStore: TestStore
beforeAll(async () => {
  const env = { MAX_OPEN_STREAMS: '1000', RATE_LIMIT_CHAT: '1/60' }
  testStore = await openTestStore()
  server = await startServer({ env, testStore, replacements: { deps: { engine } } })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

describe('a retry while its first call is in progress', () => {
  test('returns 409 with Retry-After for POST /chat, even when the rate limit is exceeded', async () => {
    const alice = await server.createUser()
    const headers = { 'Idempotency-Key': 'running' }
    const first = callAs(alice, 'sendMessage', headers, { message: 'Hi' })
    const turn = await engine.next()

    const refused = await callAs(alice, 'sendMessage', headers, { message: 'Hi' })

    expect([refused.status, refused.code]).toEqual([409, 'idempotency-in-progress'])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.headers).not.toHaveProperty('idempotency-replayed')

    turn.end()
    expect((await first).status).toBe(200)
  })

  test('joins POST /chat/stream from its first event, before and after it has begun', async () => {
    const alice = await server.createUser()
    const headers = { 'Idempotency-Key': 'running' }
    const open = () => openStream(alice, { message: 'Hi' }, headers)

    const opening = [open()]
    const turn = await engine.next()
    opening.push(open())
    turn.say('Hello')
    opening.push(open())
    const streams = await advanceUntilSettled([server.clock], Promise.all(opening))
    turn.say(' there')
    turn.end()
    const all = await Promise.all(streams.map((stream) => stream.rest()))

    expect(textOf(all[0]!)).toBe('Hello there')
    expect(all[1]).toEqual(all[0])
    expect(all[2]).toEqual(all[0])

    const replayed = streams.map((stream) => stream.headers.get('idempotency-replayed'))
    expect(replayed).toEqual([null, 'true', 'true'])
  })

  test('leaves the key free for every caller when the engine fails before its first text', async () => {
    const alice = await server.createUser()
    const headers = { 'Idempotency-Key': 'failing' }
    const call = () => callAs(alice, 'streamMessage', headers, { message: 'Hi' })

    const one = call()
    const turn = await engine.next()
    const attach = vi.spyOn(server.parley.services.generations, 'attach')
    const two = call()
    await until(() => attach.mock.calls.length === 1)
    turn.fail(new EngineFailure('upstream-failed', ''))
    const responses = await advanceUntilSettled([server.clock], Promise.all([one, two]))

    expect(responses.map(({ code }) => code)).toEqual(['upstream-failed', 'upstream-failed'])
    for (const response of responses) {
      expect(response.headers).not.toHaveProperty('idempotency-replayed')
    }

    await server.clock.advance(60_000)
    const again = openStream(alice, { message: 'Something else' }, headers)
    ;(await engine.next()).end()
    expect((await again).status).toBe(200)
  })
})
