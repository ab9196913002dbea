import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { EngineFailure } from '../../src/engine/engine.ts'
import { openManualStream } from '../support/upstream/manual-engine.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import { runningGeneration } from '../support/running-generation.ts'
import { openStream, resumeStream } from '../support/wire/stream.ts'
import {
  TERMINAL,
  engine,
  expectWhole,
  first,
  instances,
  second,
  setIsUnavailable,
} from './resume.given.ts'

describe('a stream that is followed again', () => {
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
    expectWhole(events, start.generationId)
  })

  test('is an event stream that nobody may keep, without limits to show', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    turn.end()
    await stream.rest()
    const again = await resumeStream(alice, start.generationId)

    await again.rest()

    expect(again.headers.get('content-type')).toBe('text/event-stream')
    expect(again.headers.get('cache-control')).toBe('no-store, no-transform')
    expect(again.headers.get('x-accel-buffering')).toBe('no')
    expect(again.headers.get('ratelimit')).toBeNull()
  })

  test('and was seen to its end is 204', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    turn.end()
    const last = (await stream.rest()).at(-1)!
    for (const client of [alice, instances.on(second, alice)]) {
      const answer = await client.expect(204, 'resumeStream', {
        path: start,
        headers: { 'Last-Event-ID': last.id },
      })
      expect(answer.headers['cache-control']).toBe('no-store')
    }
  })

  // 3 will be a piece or the end, 5 the end or nothing: nobody knows when it is claimed.
  test.each([2, 3, 4, 5, 500, 999_999_999])(
    'from behind number %i ends with exactly one terminal event unless that has this number, wherever and whenever',
    async (number) => {
      const alice = await first.createUser()
      const { turn, stream, start, begun } = await openManualStream(engine, alice)
      const { generationId } = start
      const claimed = `${generationId}:${number}`
      const clients = [alice, instances.on(second, alice)]
      const running = await Promise.all(
        clients.map((client) => resumeStream(client, generationId, claimed)),
      )
      turn.say(' there')
      turn.end()
      const events = [...begun, ...(await stream.rest())]
      const behind = events.slice(Math.min(number, events.length - 1))
      expect(await running[0]!.rest()).toEqual(behind)
      expect(await advanceUntilSettled([first.clock], running[1]!.rest())).toEqual(behind)

      for (const client of clients) {
        const ended = await resumeStream(client, generationId, claimed)
        expect(ended.status).toBe(number === events.length ? 204 : 200)
        expect(await ended.rest()).toEqual(number === events.length ? [] : behind)
      }
    },
  )

  test('may be named in capitals', async () => {
    const alice = await first.createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    const id = start.generationId
    const again = await resumeStream(alice, id.toUpperCase(), begun[0]!.id.toUpperCase())
    turn.end()

    await stream.rest()

    expect((await again.rest()).map((event) => event.id)).toEqual([`${id}:2`, `${id}:3`])
  })

  test.each(['7', 'x', ':', 'abc:1', randomUUID(), `${randomUUID()}:`, `${randomUUID()}:-1`])(
    'from behind %j, which is no id of an event, is 400',
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

  test('and is of another generation, of another user, or of nobody is 404', async () => {
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
      const nowhere = { path: { generationId: randomUUID() } }
      await owner.refused('not-found', 'resumeStream', nowhere)
    }
    for (const { turn, stream } of [one, other]) {
      turn.end()
      await stream.rest()
    }
  })

  test('before the engine has said a word waits for it, and has the same events', async () => {
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

  test('of an answer that never began ends with one message.error, and then there is none', async () => {
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

  test('while its conversation is deleted ends with one terminal event, on any server', async () => {
    const alice = await first.createUser()
    const { stream, start, begun } = await openManualStream(engine, alice)
    const here = await resumeStream(alice, start.generationId)
    const there = await resumeStream(instances.on(second, alice), start.generationId)
    await alice.expect(204, 'deleteConversation', { path: start })
    const events = [...begun, ...(await stream.rest())]
    expect(events.at(-1)!.name).toBe('message.cancelled')
    expect(await here.rest()).toEqual(events)

    const elsewhere = await advanceUntilSettled([first.clock], there.rest())
    expect(elsewhere.filter(({ name }) => TERMINAL.has(name))).toEqual([elsewhere.at(-1)])

    await alice.refused('not-found', 'resumeStream', { path: start })
  })

  test('on another server outlives a database that is away for seconds', async () => {
    const alice = await first.createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    const there = await resumeStream(instances.on(second, alice), start.generationId)
    expect(await there.next()).toEqual(begun[0])

    setIsUnavailable(true)
    await first.clock.advance(2_000)
    setIsUnavailable(false)
    turn.end()
    const events = [...begun.slice(1), ...(await stream.rest())]
    expect(await advanceUntilSettled([first.clock], there.rest())).toEqual(events)
  })

  test('on another server says so when the database stays away, and loses no event by it', async () => {
    const alice = await first.createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    const onSecond = instances.on(second, alice)
    const there = await resumeStream(onSecond, start.generationId)
    const seen = [(await there.next())!]
    setIsUnavailable(true)
    const rest = await advanceUntilSettled([first.clock], there.rest())
    setIsUnavailable(false)
    const end = rest.at(-1)!
    expect(end.event).toMatchObject({ type: 'message.error', problem: { code: 'unavailable' } })

    seen.push(...rest.slice(0, -1))
    turn.end()
    const events = [...begun, ...(await stream.rest())]
    const again = await resumeStream(onSecond, start.generationId, end.id)
    expect([...seen, ...(await again.rest())]).toEqual(events)
  })
})
