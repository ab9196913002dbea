import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { INTERRUPTED_SEQ } from '../../src/domain/chat/event-ids.ts'
import { EngineFailure } from '../../src/engine/engine.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import { createClient, type Client } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import {
  createManualEngine,
  type ManualEngine,
  openManualStream,
} from '../support/upstream/manual-engine.ts'
import { type Instances, startInstances } from '../support/process/instances.ts'
import { JumpingClock, MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { whileTimePasses } from '../support/clock/passing-time.ts'
import { openWorkplace } from '../support/process/process.ts'
import { createRandom, type Random, seedOfRun } from '../support/random.ts'
import { runningGeneration } from '../support/running-generation.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, resumeStream, textOf, type WireEvent } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream } from '../support/upstream/upstream.ts'

const STREAMS = 500
const AT_ONCE = 20
const PIECES = [
  'a',
  ' word',
  '\r\n',
  '\u2028',
  '\ufeff',
  '\n\ndata: {}\n\n',
  ': ',
  '🙂',
  '한국어',
  '\\n"',
  '\t',
]
const TERMINAL = new Set(['message.end', 'message.cancelled', 'message.error'])

const engine = createManualEngine()
let isUnavailable = false
let instances: Instances
let first: TestServer
let second: TestServer
beforeAll(async () => {
  const instead = { deps: { engine } }
  instances = await startInstances(({ ...store }) => {
    const findKept: typeof store.generations.findKept = (which) =>
      isUnavailable
        ? Promise.reject(new DatabaseUnavailable('away'))
        : store.generations.findKept(which)
    const flaky = { ...store, generations: { ...store.generations, findKept } }
    return [{ instead }, { instead: { deps: { engine, store: flaky } } }]
  })
  ;[first, second] = instances.servers as [TestServer, TestServer]
})
afterAll(() => instances.close())

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0)) await cleanUp()
})

function lastMessage(client: Client, conversationId: string) {
  return client
    .expect(200, 'getConversation', { path: { conversationId } })
    .then(({ body }) => body.messages.at(-1)!)
}

/** Whole: from the first to exactly one terminal event, each number once and in order. */
function expectWhole(events: readonly WireEvent[], generationId: string): void {
  expect(events.map(({ id }) => id)).toEqual(events.map((_, i) => `${generationId}:${i + 1}`))
  expect(events[0]!.name).toBe('message.start')
  expect(events.filter(({ name }) => TERMINAL.has(name))).toEqual([events.at(-1)])
}

/** Reads until it has so many more events, or the end; then hangs up. */
async function readSome(
  opening: ReturnType<typeof openStream>,
  most: number,
  into: WireEvent[],
): Promise<void> {
  const stream = await opening
  for (let read = 0; read < most; read += 1) {
    const event = await stream.next()
    if (!event) return
    into.push(event)
  }
  stream.hangUp()
}

/** One answer, cut again and again while it is made and after it, and put together again. */
async function cutAndResume(
  random: Random,
  crowd: ManualEngine,
  clients: readonly Client[],
): Promise<void> {
  const message = randomUUID()
  const pieces = Array.from({ length: random.int(1, 12) }, () => random.pick(PIECES))
  const opening = openStream(clients[0]!, { message })
  const turn = await until(() =>
    crowd.turns.find((held) => held.turn.messages.at(-1)!.content === message),
  )
  const talking = (async () => {
    for (const piece of pieces) {
      turn.say(piece)
      await new Promise((resolve) => setTimeout(resolve, random.int(0, 8)))
    }
    turn.end()
  })()
  const events: WireEvent[] = []
  await readSome(opening, random.int(1, 4), events)
  const start = events[0]!.event
  if (start.type !== 'message.start') throw new Error(start.type)
  const { generationId, conversationId } = start
  while (!TERMINAL.has(events.at(-1)!.name)) {
    const from = random.next() < 0.1 ? undefined : events.at(-1)!.id
    const again: WireEvent[] = []
    const resumed = resumeStream(random.pick(clients), generationId, from)
    await readSome(resumed, random.int(1, 6), again)
    const known = from === undefined ? events.splice(0) : []
    for (const [i, event] of known.entries()) expect(again[i] ?? event).toEqual(event)
    events.push(...(again.length < known.length ? known : again))
  }
  await talking
  expectWhole(events, generationId)
  const kept = await lastMessage(clients[0]!, conversationId)
  expect(kept.content).toBe(pieces.join(''))
  expect(textOf(events)).toBe(kept.content)
  expect(events.at(-1)!.event).toMatchObject({ type: 'message.end', message: kept })
  for (const client of clients) {
    expect(await (await resumeStream(client, generationId)).rest()).toEqual(events)
    expect((await resumeStream(client, generationId, events.at(-1)!.id)).status).toBe(204)
  }
}

async function manyTimes(servers: 1 | 2): Promise<void> {
  const seed = seedOfRun()
  const crowd = createManualEngine()
  const options = { env: { MAX_OPEN_STREAMS: '1000' }, instead: { deps: { engine: crowd } } }
  const all = await startInstances(() => Array.from({ length: servers }, () => options))
  cleanups.push(() => all.close())
  const alice = await all.servers[0]!.newUser()
  const clients = all.servers.map((server) => all.on(server, alice))
  let left = STREAMS
  const work = Array.from({ length: AT_ONCE }, async () => {
    for (let number = left--; number > 0; number = left--) {
      await cutAndResume(createRandom(seed + number), crowd, clients).catch((cause: unknown) => {
        throw new Error(`TEST_SEED=${seed}, stream ${number}`, { cause })
      })
    }
  })
  await whileTimePasses([all.servers[0]!.clock], Promise.all(work))
}

describe('500 streams that are cut at random points and resumed', () => {
  test('on the same server end with exactly the text of the kept message', async () => {
    await manyTimes(1)
  }, 300_000)

  test('on either of two servers end with exactly the text of the kept message', async () => {
    await manyTimes(2)
  }, 600_000)
})

describe('a stream that is followed again', () => {
  test('begins with the first event without a Last-Event-ID, on any server', async () => {
    const alice = await first.newUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    const here = await resumeStream(alice, start.generationId)
    const there = await resumeStream(instances.on(second, alice), start.generationId)
    expect([await here.next(), await here.next()]).toEqual(begun)
    turn.say(' there')
    turn.end()
    const events = [...begun, ...(await stream.rest())]
    expect([...begun, ...(await here.rest())]).toEqual(events)
    expect(await whileTimePasses([first.clock], there.rest())).toEqual(events)
    expectWhole(events, start.generationId)
  })

  test('is an event stream that nobody may keep, without limits to show', async () => {
    const alice = await first.newUser()
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
    const alice = await first.newUser()
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
      const alice = await first.newUser()
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
      expect(await whileTimePasses([first.clock], running[1]!.rest())).toEqual(behind)
      for (const client of clients) {
        const ended = await resumeStream(client, generationId, claimed)
        expect(ended.status).toBe(number === events.length ? 204 : 200)
        expect(await ended.rest()).toEqual(number === events.length ? [] : behind)
      }
    },
  )

  test('may be named in capitals', async () => {
    const alice = await first.newUser()
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
      const alice = await first.newUser()
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
    const alice = await first.newUser()
    const mallory = await first.newUser()
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
    const alice = await first.newUser()
    const opening = openStream(alice, { message: 'Hi' })
    const turn = await engine.next()
    const { generationId } = await runningGeneration(alice)
    const here = await resumeStream(alice, generationId)
    const there = await resumeStream(instances.on(second, alice), generationId)
    turn.say('Late')
    turn.end()
    const events = await (await opening).rest()
    expect(await here.rest()).toEqual(events)
    expect(await whileTimePasses([first.clock], there.rest())).toEqual(events)
  })

  test('of an answer that never began ends with one message.error, and then there is none', async () => {
    const alice = await first.newUser()
    const opening = openStream(alice, { message: 'Hi' })
    const turn = await engine.next()
    const { generationId } = await runningGeneration(alice)
    const here = await resumeStream(alice, generationId)
    const there = await resumeStream(instances.on(second, alice), generationId)
    turn.fail(new EngineFailure('upstream-failed', ''))
    expect((await opening).status).toBe(502)
    expect((await here.rest()).map(({ name }) => name)).toEqual(['message.error'])
    const seen = await whileTimePasses([first.clock], there.rest())
    expect(seen.at(-1)!.name).toBe('message.error')
    await alice.refused('not-found', 'resumeStream', { path: { generationId } })
  })

  test('while its conversation is deleted ends with one terminal event, on any server', async () => {
    const alice = await first.newUser()
    const { stream, start, begun } = await openManualStream(engine, alice)
    const here = await resumeStream(alice, start.generationId)
    const there = await resumeStream(instances.on(second, alice), start.generationId)
    await alice.expect(204, 'deleteConversation', { path: start })
    const events = [...begun, ...(await stream.rest())]
    expect(events.at(-1)!.name).toBe('message.cancelled')
    expect(await here.rest()).toEqual(events)
    const elsewhere = await whileTimePasses([first.clock], there.rest())
    expect(elsewhere.filter(({ name }) => TERMINAL.has(name))).toEqual([elsewhere.at(-1)])
    await alice.refused('not-found', 'resumeStream', { path: start })
  })

  test('on another server outlives a database that is away for seconds', async () => {
    const alice = await first.newUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    const there = await resumeStream(instances.on(second, alice), start.generationId)
    expect(await there.next()).toEqual(begun[0])
    isUnavailable = true
    await first.clock.advance(2_000)
    isUnavailable = false
    turn.end()
    const events = [...begun.slice(1), ...(await stream.rest())]
    expect(await whileTimePasses([first.clock], there.rest())).toEqual(events)
  })

  test('on another server says so when the database stays away, and loses no event by it', async () => {
    const alice = await first.newUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    const onSecond = instances.on(second, alice)
    const there = await resumeStream(onSecond, start.generationId)
    const seen = [(await there.next())!]
    isUnavailable = true
    const rest = await whileTimePasses([first.clock], there.rest())
    isUnavailable = false
    const end = rest.at(-1)!
    expect(end.event).toMatchObject({ type: 'message.error', problem: { code: 'unavailable' } })
    seen.push(...rest.slice(0, -1))
    turn.end()
    const events = [...begun, ...(await stream.rest())]
    const again = await resumeStream(onSecond, start.generationId, end.id)
    expect([...seen, ...(await again.rest())]).toEqual(events)
  })
})

describe('the end of following', () => {
  test('is ten minutes after the end of the answer, and not before', async () => {
    const clock = new JumpingClock('2026-11-23T09:00:00.000Z')
    const server = await startServer({ clock })
    const alice = await server.newUser()
    const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const path = { generationId: body.generationId }
    clock.jump(10 * MINUTE_MS)
    expect(await (await resumeStream(alice, body.generationId)).rest()).not.toHaveLength(0)
    clock.jump(1)
    const { body: problem } = await alice.refused('generation-expired', 'resumeStream', { path })
    expect(problem.retryable).toBe(false)
    const headers = { 'Last-Event-ID': `${body.generationId}:999999999` }
    await alice.refused('generation-expired', 'resumeStream', { path, headers })
    await server.close()
  })
})

/** What is told of an answer that was broken off after it had saved "one two three ". */
async function expectBrokenOff(client: Client, generationId: string, live: readonly WireEvent[]) {
  const saved = live.slice(0, 4)
  const all = await (await resumeStream(client, generationId)).rest()
  expect(all.slice(0, -1)).toEqual(saved)
  const end = all.at(-1)!
  expect(end).toMatchObject({
    id: `${generationId}:${INTERRUPTED_SEQ}`,
    event: {
      type: 'message.error',
      problem: { code: 'unavailable', retryable: true },
      message: { content: 'one two three ', status: 'interrupted' },
    },
  })
  const ends = (events: readonly WireEvent[]) => events.map(({ id }) => id)
  // Wherever somebody was cut, there is exactly this end, and no other content of an id.
  for (const { id } of live) {
    const rest = await (await resumeStream(client, generationId, id)).rest()
    expect(ends(rest)).toEqual(
      ends(all.slice(live.findIndex((event) => event.id === id) + 1)).concat(
        live.findIndex((event) => event.id === id) + 1 > saved.length ? [end.id] : [],
      ),
    )
  }
  const beyond = `${generationId}:${INTERRUPTED_SEQ + 1}`
  expect(ends(await (await resumeStream(client, generationId, beyond)).rest())).toEqual([end.id])
  expect((await resumeStream(client, generationId, end.id)).status).toBe(204)
}

describe('an answer that was broken off', () => {
  test('by the death of its instance is told from any cut on, as far as it was saved', async () => {
    const clocks = [0, 30_000].map(
      (aheadMs) => new TestClock(new Date(1_763_888_400_000 + aheadMs)),
    )
    const two = await startInstances(() =>
      clocks.map((clock) => ({ clock, instead: { deps: { engine } } })),
    )
    cleanups.push(() => two.close())
    const [dying, other] = two.servers as [TestServer, TestServer]
    const alice = await dying.newUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice, {
      firstWords: 'one ',
    })
    for (const word of ['two ', 'three ']) turn.say(word)
    const live = [...begun, (await stream.next())!, (await stream.next())!]
    const { generations } = two.testStore.store
    const ownerId = (await alice.expect(200, 'getProfile')).body.id
    const find = () => generations.findKept({ id: start.generationId, ownerId })
    await until(async () => {
      await dying.clock.advance(500)
      return (await find())?.message.content === 'one two three '
    })
    for (const word of ['four ', 'five ']) turn.say(word)
    live.push((await stream.next())!, (await stream.next())!)

    const there = two.on(other, alice)
    await until(async () => {
      await other.clock.advance(10_000)
      return (await find())?.status === 'interrupted'
    })
    await expectBrokenOff(there, start.generationId, live)
    // Should it still live, it says the same at the end.
    await dying.clock.advance(500)
    const rest = await stream.rest()
    expect(rest.map(({ id }) => id)).toEqual([`${start.generationId}:${INTERRUPTED_SEQ}`])
    expect(rest[0]!.event).toMatchObject({
      type: 'message.error',
      message: { content: 'one two three ', status: 'interrupted' },
    })
  })

  test('by kill -9 is told from any cut on, as far as it was saved', async () => {
    const workplace = await openWorkplace()
    const words = ['one ', 'two ', 'three ', 'four']
    const upstream = await startUpstream({ words, stallAfter: 3 })
    cleanups.push(
      () => workplace.close(),
      () => upstream.close(),
    )
    const env = { CHAT_UPSTREAM_URL: upstream.url }
    const dying = await workplace.start(env)
    const alice = await dying.logIn()
    const stream = await openStream(alice, { message: 'Count' })
    const live: WireEvent[] = []
    for (let i = 0; i < 4; i += 1) live.push((await stream.next())!)
    const { generationId } = live[0]!.event as { generationId: string }
    const uptime = async () => (await alice.expect(200, 'getStatus')).body.uptimeSeconds
    const since = await uptime()
    await until(async () => (await uptime()) >= since + 3)
    dying.signal('SIGKILL')
    await dying.exited
    await expect(stream.rest()).rejects.toThrow()
    const again = await workplace.start(env)
    await expectBrokenOff(createClient(again.url, alice.identity), generationId, live)
  }, 120_000)
})
