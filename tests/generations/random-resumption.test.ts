import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { createManualEngine, type ManualEngine } from '../support/upstream/manual-engine.ts'
import { startInstances } from '../support/process/instances.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import { createRandom, type Random, seedOfRun } from '../support/random.ts'
import { openStream, resumeStream, textOf, type WireEvent } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { expectComplete, isTerminal } from './terminal-events.given.ts'

const STREAMS = 500
const CONCURRENT_STREAMS = 20
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

/** Reads at most `maxEvents` events, and then disconnects. */
async function readSome(
  opening: ReturnType<typeof openStream>,
  maxEvents: number,
  into: WireEvent[],
): Promise<void> {
  const stream = await opening
  for (let read = 0; read < maxEvents; read += 1) {
    const event = await stream.next()
    if (!event) return
    into.push(event)
  }
  stream.hangUp()
}

/** Disconnects from one answer at random, and resumes it until all its events have arrived. */
async function cutAndResume(
  random: Random,
  engine: ManualEngine,
  clients: readonly Client[],
): Promise<void> {
  const message = randomUUID()
  const pieces = Array.from({ length: random.int(1, 12) }, () => random.pick(PIECES))
  const opening = openStream(clients[0]!, { message })
  const turn = await until(() =>
    engine.turns.find((candidate) => candidate.turn.messages.at(-1)!.content === message),
  )
  const speaking = (async () => {
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
  while (!isTerminal(events.at(-1)!)) {
    const from = random.next() < 0.1 ? undefined : events.at(-1)!.id
    const resumedEvents: WireEvent[] = []
    const resumed = resumeStream(random.pick(clients), generationId, from)
    await readSome(resumed, random.int(1, 6), resumedEvents)
    const seen = from === undefined ? events.splice(0) : []
    for (const [i, event] of seen.entries()) expect(resumedEvents[i] ?? event).toEqual(event)
    events.push(...(resumedEvents.length < seen.length ? seen : resumedEvents))
  }
  await speaking
  expectComplete(events, generationId)
  const stored = await lastMessage(clients[0]!, conversationId)
  expect(stored.content).toBe(pieces.join(''))
  expect(textOf(events)).toBe(stored.content)
  expect(events.at(-1)!.event).toMatchObject({ type: 'message.end', message: stored })
  for (const client of clients) {
    expect(await (await resumeStream(client, generationId)).rest()).toEqual(events)
    expect((await resumeStream(client, generationId, events.at(-1)!.id)).status).toBe(204)
  }
}

/** Runs the scenario for many streams, on this many servers. */
async function resumeManyStreams(servers: 1 | 2): Promise<void> {
  const seed = seedOfRun()
  const engine = createManualEngine()
  const options = { env: { MAX_OPEN_STREAMS: '1000' }, replacements: { deps: { engine } } }
  const instances = await startInstances(() => Array.from({ length: servers }, () => options))
  const alice = await instances.servers[0]!.createUser()
  const clients = instances.servers.map((server) => instances.on(server, alice))
  let left = STREAMS
  const workers = Array.from({ length: CONCURRENT_STREAMS }, async () => {
    for (let number = left--; number > 0; number = left--) {
      await cutAndResume(createRandom(seed + number), engine, clients).catch((cause: unknown) => {
        throw new Error(`TEST_SEED=${seed}, stream ${number}`, { cause })
      })
    }
  })
  await advanceUntilSettled([instances.servers[0]!.clock], Promise.all(workers)).finally(() =>
    instances.close(),
  )
}

describe('500 streams that are cut at random and resumed', () => {
  test('have exactly the stored text on one server', async () => {
    await resumeManyStreams(1)
  }, 300_000)

  test('have exactly the stored text on either of two servers', async () => {
    await resumeManyStreams(2)
  }, 600_000)
})
