import { createParser } from 'eventsource-parser'
import { Stream } from 'openai/core/streaming'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChatStreamEvent } from '../../generated/api.ts'
import { createManualEngine, type ManualTurn } from '../support/upstream/manual-engine.ts'
import type { Client } from '../support/client.ts'
import { type Instances, startInstances } from '../support/process/instances.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import type { TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { send, type WireResponse } from '../support/wire/wire.ts'

/*
 * What Parley streams, read by parsers that others have written. `npm run stream-readers` does the
 * same with libraries of Python.
 */

const KEEP_ALIVE_MS = 15_000
const PIECES = [
  '\ufeffa\r\nb',
  '\u2028\u2029\u0085',
  ': keepalive\n\n',
  'data: x\n\nid: 9\n\n',
  '🙂한',
]
const TEXT = `Hello${PIECES.join('')}`

const engine = createManualEngine()
let instances: Instances
let first: TestServer
let second: TestServer
beforeAll(async () => {
  instances = await startInstances(() => [
    { replacements: { deps: { engine } } },
    { replacements: { deps: { engine } } },
  ])
  ;[first, second] = instances.servers as [TestServer, TestServer]
}, 60_000)
afterAll(() => instances.close())

type Read = { name: string | undefined; id?: string | undefined; event: ChatStreamEvent }

/** Reads a whole stream that comes so many bytes at a time. */
type Reader = (bytes: Uint8Array, size: number) => Promise<Read[]>

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.slice(start, start + size)
}

const READERS: Record<string, Reader> = {
  async 'eventsource-parser'(bytes, size) {
    const events: Read[] = []
    const parser = createParser({
      onEvent: ({ event, id, data }) => {
        events.push({ name: event, id, event: JSON.parse(data) as ChatStreamEvent })
      },
      onError: (error) => {
        throw error
      },
    })
    const decoder = new TextDecoder()
    for (const piece of pieces(bytes, size)) parser.feed(decoder.decode(piece, { stream: true }))
    return events
  },
  async openai(bytes, size) {
    const body = ReadableStream.from(pieces(bytes, size)) as ReadableStream
    const stream = Stream.fromSSEResponse<{ event: string; data: ChatStreamEvent }>(
      new Response(body),
      new AbortController(),
      undefined,
      true,
    )
    const events: Read[] = []
    for await (const { event, data } of stream) events.push({ name: event, event: data })
    return events
  },
}

/** A whole answer as it came over the wire, and how often it was kept alive. */
function streamOf(client: Client): { turn: Promise<ManualTurn>; answer: Promise<WireResponse> } {
  const headers = { ...client.credentials, 'Content-Type': 'application/json' }
  const body = JSON.stringify({ message: 'Hi' })
  const turn = engine.next()
  return {
    turn,
    answer: send(client.urlOf('streamMessage'), { method: 'POST', headers, body }),
  }
}

function resumed(
  client: Client,
  generationId: string,
  lastEventId?: string,
): Promise<WireResponse> {
  const headers = { ...client.credentials, ...(lastEventId && { 'Last-Event-ID': lastEventId }) }
  return send(client.urlOf('resumeStream', { path: { generationId } }), { headers })
}

async function runningGeneration(): Promise<string> {
  const find = { where: { status: 'running' as const } }
  const { generation } = instances.testStore.database.prisma
  return until(async () => (await generation.findFirst(find))?.id)
}

/** Lets the time pass in which a stream is kept alive, twice. */
async function staySilent(): Promise<void> {
  for (let seconds = 0; seconds < (2 * KEEP_ALIVE_MS) / 1_000; seconds += 1) {
    await first.clock.advance(1_000)
    // The lease is renewed between.
    await first.anonymous.expect(200, 'getReadiness')
  }
}

/** One answer, kept alive before its middle: live, resumed from its start and in its middle, elsewhere too. */
async function readEverywhere(end: (turn: ManualTurn) => Promise<void>) {
  const alice = await first.createUser()
  const live = streamOf(alice)
  const turn = await live.turn
  turn.say('Hello')
  const id = await runningGeneration()
  const open = first.clock.pending
  const others = [
    resumed(alice, id),
    resumed(alice, id, `${id}:1`),
    resumed(instances.on(second, alice), id),
  ]
  await until(() => first.clock.pending >= open + others.length)
  await staySilent()
  for (const piece of PIECES) turn.say(piece)
  await end(turn)
  const [whole, ...rest] = await advanceUntilSettled(
    [first.clock],
    Promise.all([live.answer, ...others]),
  )
  return { id, alice, whole: whole, rest }
}

/** Comments are lines of their own, and an empty line ends an event that has data. */
function expectPlain(text: string): void {
  const blocks = text.split('\n\n')
  expect(blocks.pop()).toBe('')
  for (const block of blocks) {
    expect(block).toMatch(/^(?:: keepalive\n)*event: [a-z.]+\n(?:id: \S+\n)?data: \{.*\}$/)
  }
}

async function readBy(reader: Reader, { text }: WireResponse): Promise<Read[]> {
  const bytes = new TextEncoder().encode(text)
  const whole = await reader(bytes, bytes.length)
  for (const size of [1, 7]) expect(await reader(bytes, size)).toEqual(whole)
  return whole
}

describe.each(Object.entries(READERS))('%s reads', (_, reader) => {
  test('an answer that was kept alive: live, resumed, and on another instance', async () => {
    const { id, whole, rest } = await readEverywhere(async (turn) => {
      turn.end()
    })
    for (const { text } of [whole, ...rest]) {
      expectPlain(text)
      expect(text.match(/^: keepalive$/gm)?.length).toBeGreaterThanOrEqual(1)
    }

    const events = await readBy(reader, whole)
    expect(events.map(({ name }) => name)).toEqual(events.map(({ event }) => event.type))
    expect(events.at(-1)!.event).toMatchObject({ type: 'message.end', message: { content: TEXT } })

    const ids = events.map((event) => event.id).filter((one) => one !== undefined)
    if (ids.length > 0) expect(ids).toEqual(events.map((__, i) => `${id}:${i + 1}`))
    const [fromStart, fromMiddle, elsewhere] = await Promise.all(
      rest.map((one) => readBy(reader, one)),
    )
    expect(fromStart!.at(-1)).toEqual(events.at(-1))
    expect(elsewhere!.at(-1)).toEqual(events.at(-1))
    expect(fromMiddle).toEqual(fromStart!.slice(1))
  })

  test('an answer that a crash has cut off, and what is left of it afterwards', async () => {
    const { store } = first.parley.deps
    const { id, alice, whole, rest } = await readEverywhere(async (turn) => {
      // As an instance does with what another has left behind.
      await store.generations.interruptAbandoned({ now: second.clock.now(), all: true })
      turn.end()
    })

    const afterwards = await resumed(instances.on(second, alice), id)

    for (const answer of [whole, ...rest, afterwards]) {
      expectPlain(answer.text)
      const events = await readBy(reader, answer)
      expect(events.map(({ name }) => name)).toEqual(events.map(({ event }) => event.type))
      expect(events.at(-1)!.name).toBe('message.error')
    }
  })
})
