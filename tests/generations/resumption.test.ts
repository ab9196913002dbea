import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EngineFailure } from '../../src/engine/engine.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import { JumpingClock, MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { type Instances, startInstances } from '../support/process/instances.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import { runningGeneration } from '../support/running-generation.ts'
import { openStream, resumeStream } from '../support/wire/stream.ts'
import { expectComplete, terminalEventOf } from './terminal-events.given.ts'

const engine = createManualEngine()
/** While true, the second server cannot read generations. */
let isUnavailable = false
let instances: Instances
let first: TestServer
let second: TestServer
beforeAll(async () => {
  instances = await startInstances(({ ...store }) => {
    const findKept: typeof store.generations.findKept = (which) =>
      isUnavailable
        ? Promise.reject(new DatabaseUnavailable('unavailable'))
        : store.generations.findKept(which)
    const flaky = { ...store, generations: { ...store.generations, findKept } }
    return [
      { replacements: { deps: { engine } } },
      { replacements: { deps: { engine, store: flaky } } },
    ]
  })
  ;[first, second] = instances.servers as [TestServer, TestServer]
})
afterAll(() => instances.close())

describe('a resumed stream', () => {
  test('begins with the first event without a Last-Event-ID, on any server', async () => {
    const alice = await first.createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    const here = await resumeStream(alice, start.generationId)
    const there = await resumeStream(instances.on(second, alice), start.generationId)
    expect([await here.next(), await here.next()]).toEqual(begun)

    turn.say(' there')
    turn.end()
    const events = [...begun, ...(await stream.rest())]
    expect([...begun, ...(await here.rest())]).toEqual(events)
    expect(await advanceUntilSettled([first.clock], there.rest())).toEqual(events)
    expectComplete(events, start.generationId)
  })

  test('is an event stream that must not be cached, without rate-limit headers', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    turn.end()
    await stream.rest()

    const resumed = await resumeStream(alice, start.generationId)
    await resumed.rest()

    expect(resumed.headers.get('content-type')).toBe('text/event-stream')
    expect(resumed.headers.get('cache-control')).toBe('no-store, no-transform')
    expect(resumed.headers.get('x-accel-buffering')).toBe('no')
    expect(resumed.headers.get('ratelimit')).toBeNull()
  })

  test('is 204 after its last event', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    turn.end()
    const last = (await stream.rest()).at(-1)!

    for (const client of [alice, instances.on(second, alice)]) {
      const response = await client.expect(204, 'resumeStream', {
        path: start,
        headers: { 'Last-Event-ID': last.id },
      })
      expect(response.headers['cache-control']).toBe('no-store')
    }
  })

  // The server cannot know yet whether 3 will be a piece or the end, and 5 the end or nothing.
  test.each([2, 3, 4, 5, 500, 999_999_999])(
    'has the events after number %i on any server, during and after the answer',
    async (number) => {
      const alice = await first.createUser()
      const { turn, stream, start, begun } = await openManualStream(engine, alice)
      const { generationId } = start
      const lastEventId = `${generationId}:${number}`
      const clients = [alice, instances.on(second, alice)]
      const running = await Promise.all(
        clients.map((client) => resumeStream(client, generationId, lastEventId)),
      )

      turn.say(' there')
      turn.end()
      const events = [...begun, ...(await stream.rest())]
      const remaining = events.slice(Math.min(number, events.length - 1))

      expect(await running[0]!.rest()).toEqual(remaining)
      expect(await advanceUntilSettled([first.clock], running[1]!.rest())).toEqual(remaining)

      for (const client of clients) {
        const ended = await resumeStream(client, generationId, lastEventId)
        expect(ended.status).toBe(number === events.length ? 204 : 200)
        expect(await ended.rest()).toEqual(number === events.length ? [] : remaining)
      }
    },
  )

  test('accepts ids in upper case', async () => {
    const alice = await first.createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    const id = start.generationId

    const resumed = await resumeStream(alice, id.toUpperCase(), begun[0]!.id.toUpperCase())
    turn.end()
    await stream.rest()

    expect((await resumed.rest()).map((event) => event.id)).toEqual([`${id}:2`, `${id}:3`])
  })

  test.each(['7', 'x', ':', 'abc:1', randomUUID(), `${randomUUID()}:`, `${randomUUID()}:-1`])(
    'is 400 for %j, which is no id of an event',
    async (lastEventId) => {
      const alice = await first.createUser()
      const { turn, stream, start } = await openManualStream(engine, alice)
      turn.end()
      await stream.rest()
      const headers = { 'Last-Event-ID': lastEventId }

      const { body } = await alice.refused('invalid-request', 'resumeStream', {
        path: start,
        headers,
      })

      expect(body.errors).toMatchObject([{ in: 'header', pointer: 'Last-Event-ID' }])
    },
  )

  test('is 404 for an event of another generation, another user and an unknown generation', async () => {
    const alice = await first.createUser()
    const mallory = await first.createUser()
    const one = await openManualStream(engine, alice)
    const other = await openManualStream(engine, alice)
    const path = { generationId: one.start.generationId }
    const headers = { 'Last-Event-ID': other.begun[0]!.id }

    for (const server of [first, second]) {
      const [owner, stranger] = [instances.on(server, alice), instances.on(server, mallory)]
      await owner.refused('not-found', 'resumeStream', { path, headers })
      await stranger.refused('not-found', 'resumeStream', { path })
      const unknown = { path: { generationId: randomUUID() } }
      await owner.refused('not-found', 'resumeStream', unknown)
    }

    for (const { turn, stream } of [one, other]) {
      turn.end()
      await stream.rest()
    }
  })

  test('waits for the first text of the engine, and has the same events', async () => {
    const alice = await first.createUser()
    const opening = openStream(alice, { message: 'Hi' })
    const turn = await engine.next()
    const { generationId } = await runningGeneration(alice)
    const here = await resumeStream(alice, generationId)
    const there = await resumeStream(instances.on(second, alice), generationId)

    turn.say('Late')
    turn.end()
    const events = await (await opening).rest()

    expect(await here.rest()).toEqual(events)
    expect(await advanceUntilSettled([first.clock], there.rest())).toEqual(events)
  })

  test('ends with one message.error when the answer never began, and is 404 afterwards', async () => {
    const alice = await first.createUser()
    const opening = openStream(alice, { message: 'Hi' })
    const turn = await engine.next()
    const { generationId } = await runningGeneration(alice)
    const here = await resumeStream(alice, generationId)
    const there = await resumeStream(instances.on(second, alice), generationId)

    turn.fail(new EngineFailure('upstream-failed', ''))

    expect((await opening).status).toBe(502)
    expect((await here.rest()).map(({ name }) => name)).toEqual(['message.error'])

    const seen = await advanceUntilSettled([first.clock], there.rest())
    expect(seen.at(-1)!.name).toBe('message.error')

    await alice.refused('not-found', 'resumeStream', { path: { generationId } })
  })

  test('ends with one terminal event when its conversation is deleted, on any server', async () => {
    const alice = await first.createUser()
    const { stream, start, begun } = await openManualStream(engine, alice)
    const here = await resumeStream(alice, start.generationId)
    const there = await resumeStream(instances.on(second, alice), start.generationId)

    await alice.expect(204, 'deleteConversation', { path: start })
    const events = [...begun, ...(await stream.rest())]

    expect(events.at(-1)!.name).toBe('message.cancelled')
    expect(await here.rest()).toEqual(events)

    const elsewhere = await advanceUntilSettled([first.clock], there.rest())
    terminalEventOf(elsewhere)

    await alice.refused('not-found', 'resumeStream', { path: start })
  })

  test('survives a database outage of seconds on another server', async () => {
    const alice = await first.createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    const there = await resumeStream(instances.on(second, alice), start.generationId)
    expect(await there.next()).toEqual(begun[0])

    isUnavailable = true
    await first.clock.advance(2_000)
    isUnavailable = false
    turn.end()
    const events = [...begun.slice(1), ...(await stream.rest())]

    expect(await advanceUntilSettled([first.clock], there.rest())).toEqual(events)
  })

  test('ends with message.error after a longer outage, and can be resumed without losing an event', async () => {
    const alice = await first.createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    const onSecond = instances.on(second, alice)
    const there = await resumeStream(onSecond, start.generationId)
    const seen = [(await there.next())!]

    isUnavailable = true
    const rest = await advanceUntilSettled([first.clock], there.rest())
    isUnavailable = false
    const end = rest.at(-1)!

    expect(end.event).toMatchObject({ type: 'message.error', problem: { code: 'unavailable' } })

    seen.push(...rest.slice(0, -1))
    turn.end()
    const events = [...begun, ...(await stream.rest())]
    const resumed = await resumeStream(onSecond, start.generationId, end.id)
    expect([...seen, ...(await resumed.rest())]).toEqual(events)
  })

  test('expires ten minutes after the end of the answer', async () => {
    const clock = new JumpingClock('2026-11-23T09:00:00.000Z')
    const own = await startServer({ clock })
    const alice = await own.createUser()
    const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const path = { generationId: body.generationId }

    clock.jump(10 * MINUTE_MS)
    expect(await (await resumeStream(alice, body.generationId)).rest()).not.toHaveLength(0)

    clock.jump(1)
    const { body: problem } = await alice.refused('generation-expired', 'resumeStream', { path })
    expect(problem.retryable).toBe(false)

    const headers = { 'Last-Event-ID': `${body.generationId}:999999999` }
    await alice.refused('generation-expired', 'resumeStream', { path, headers })

    await own.close()
  })
})
