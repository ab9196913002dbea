import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { createManualEngine, type ManualEngine } from '../support/upstream/manual-engine.ts'
import { startInstances } from '../support/process/instances.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import { createRandom, type Random, seedOfRun } from '../support/random.ts'
import { openStream, resumeStream, textOf, type WireEvent } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { TERMINAL, cleanups, expectWhole } from './resume.given.ts'

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

function lastMessage(client: Client, conversationId: string) {
  return client
    .expect(200, 'getConversation', { path: { conversationId } })
    .then(({ body }) => body.messages.at(-1)!)
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
  const options = { env: { MAX_OPEN_STREAMS: '1000' }, replacements: { deps: { engine: crowd } } }
  const all = await startInstances(() => Array.from({ length: servers }, () => options))
  cleanups.push(() => all.close())
  const alice = await all.servers[0]!.createUser()
  const clients = all.servers.map((server) => all.on(server, alice))
  let left = STREAMS
  const work = Array.from({ length: AT_ONCE }, async () => {
    for (let number = left--; number > 0; number = left--) {
      await cutAndResume(createRandom(seed + number), crowd, clients).catch((cause: unknown) => {
        throw new Error(`TEST_SEED=${seed}, stream ${number}`, { cause })
      })
    }
  })
  await advanceUntilSettled([all.servers[0]!.clock], Promise.all(work))
}

describe('500 streams that are cut at random points and resumed', () => {
  test('on the same server end with exactly the text of the kept message', async () => {
    await manyTimes(1)
  }, 300_000)

  test('on either of two servers end with exactly the text of the kept message', async () => {
    await manyTimes(2)
  }, 600_000)
})
