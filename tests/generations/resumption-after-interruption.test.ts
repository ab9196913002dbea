import { afterEach, describe, expect, test } from 'vitest'
import { INTERRUPTED_SEQ } from '../../src/domain/chat/event-ids.ts'
import { createClient, type Client } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { startInstances } from '../support/process/instances.ts'
import { openWorkplace } from '../support/process/process.ts'
import type { TestServer } from '../support/server.ts'
import { openStream, resumeStream, type WireEvent } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream } from '../support/upstream/upstream.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0)) await cleanUp()
})

/**
 * Checks what every resumption of an answer yields that was interrupted after "one two three " was
 * saved: the saved events, then exactly one end.
 */
async function expectInterrupted(client: Client, generationId: string, live: readonly WireEvent[]) {
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
  const idsOf = (events: readonly WireEvent[]) => events.map(({ id }) => id)
  // Resumption after any event yields exactly this end, and no id with two contents.
  for (const [index, { id }] of live.entries()) {
    const rest = await (await resumeStream(client, generationId, id)).rest()
    const isSaved = index < saved.length
    expect(idsOf(rest)).toEqual(isSaved ? idsOf(all.slice(index + 1)) : [end.id])
  }
  const beyond = `${generationId}:${INTERRUPTED_SEQ + 1}`
  expect(idsOf(await (await resumeStream(client, generationId, beyond)).rest())).toEqual([end.id])
  expect((await resumeStream(client, generationId, end.id)).status).toBe(204)
}

describe('an interrupted answer', () => {
  test('can be resumed after any event when its instance dies, as far as it was saved', async () => {
    const clocks = [0, 30_000].map(
      (aheadMs) => new TestClock(new Date(1_763_888_400_000 + aheadMs)),
    )
    const engine = createManualEngine()
    const instances = await startInstances(() =>
      clocks.map((clock) => ({ clock, replacements: { deps: { engine } } })),
    )
    cleanups.push(() => instances.close())
    const [dying, other] = instances.servers as [TestServer, TestServer]
    const alice = await dying.createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice, {
      firstWords: 'one ',
    })
    for (const word of ['two ', 'three ']) turn.say(word)
    const live = [...begun, (await stream.next())!, (await stream.next())!]
    const { generations } = instances.testStore.store
    const ownerId = (await alice.expect(200, 'getProfile')).body.id
    const find = () => generations.findKept({ id: start.generationId, ownerId })
    await until(async () => {
      await dying.clock.advance(500)
      return (await find())?.message.content === 'one two three '
    })
    for (const word of ['four ', 'five ']) turn.say(word)
    live.push((await stream.next())!, (await stream.next())!)

    const aliceOnOther = instances.on(other, alice)
    await until(async () => {
      await other.clock.advance(10_000)
      return (await find())?.status === 'interrupted'
    })

    await expectInterrupted(aliceOnOther, start.generationId, live)

    // If the instance is still alive, it sends the same end.
    await dying.clock.advance(500)
    const rest = await stream.rest()
    expect(rest.map(({ id }) => id)).toEqual([`${start.generationId}:${INTERRUPTED_SEQ}`])
    expect(rest[0]!.event).toMatchObject({
      type: 'message.error',
      message: { content: 'one two three ', status: 'interrupted' },
    })
  })

  test('can be resumed after any event when its process is killed, as far as it was saved', async () => {
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
    const uptimeSeconds = async () => (await alice.expect(200, 'getStatus')).body.uptimeSeconds
    const since = await uptimeSeconds()
    await until(async () => (await uptimeSeconds()) >= since + 3)

    dying.signal('SIGKILL')
    await dying.exited
    await expect(stream.rest()).rejects.toThrow()
    const restarted = await workplace.start(env)

    await expectInterrupted(createClient(restarted.url, alice.identity), generationId, live)
  }, 120_000)
})
