import { describe, expect, test } from 'vitest'
import { INTERRUPTED_SEQ } from '../../src/domain/chat/event-ids.ts'
import { createClient, type Client } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { openManualStream } from '../support/upstream/manual-engine.ts'
import { startInstances } from '../support/process/instances.ts'
import { JumpingClock, MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { openWorkplace } from '../support/process/process.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, resumeStream, type WireEvent } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import { cleanups, engine } from './resume.given.ts'

describe('the end of following', () => {
  test('is ten minutes after the end of the answer, and not before', async () => {
    const clock = new JumpingClock('2026-11-23T09:00:00.000Z')
    const server = await startServer({ clock })
    const alice = await server.createUser()
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
      clocks.map((clock) => ({ clock, replacements: { deps: { engine } } })),
    )
    cleanups.push(() => two.close())
    const [dying, other] = two.servers as [TestServer, TestServer]
    const alice = await dying.createUser()
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
