import { createParser } from 'eventsource-parser'
import { Stream } from 'openai/core/streaming'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChatStreamEvent } from '../../generated/api.ts'
import {
  createManualEngine,
  type ManualTurn,
  openManualStream,
} from '../support/upstream/manual-engine.ts'
import type { Client } from '../support/client.ts'
import { type Instances, startInstances } from '../support/process/instances.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import type { TestServer } from '../support/server.ts'
import { resumeStream, textOf } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { send, type WireResponse } from '../support/wire/wire.ts'

/*
 * The format of streams, and public parsers that read it. `npm run stream-readers` does the same
 * with libraries of Python.
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

/** Parses a whole stream that arrives in chunks of `size` bytes. */
type Parser = (bytes: Uint8Array, size: number) => Promise<Read[]>

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.slice(start, start + size)
}

const PARSERS: Record<string, Parser> = {
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

/** Starts a stream. Returns the engine's turn, and the whole response once it has ended. */
function startStream(client: Client): { turn: Promise<ManualTurn>; answer: Promise<WireResponse> } {
  const headers = { ...client.credentials, 'Content-Type': 'application/json' }
  const body = JSON.stringify({ message: 'Hi' })
  const turn = engine.next()
  return {
    turn,
    answer: send(client.urlOf('streamMessage'), { method: 'POST', headers, body }),
  }
}

function readResumed(
  client: Client,
  generationId: string,
  lastEventId?: string,
): Promise<WireResponse> {
  const headers = { ...client.credentials, ...(lastEventId && { 'Last-Event-ID': lastEventId }) }
  return send(client.urlOf('resumeStream', { path: { generationId } }), { headers })
}

async function findRunningGeneration(): Promise<string> {
  const find = { where: { status: 'running' as const } }
  const { generation } = instances.testStore.database.prisma
  return until(async () => (await generation.findFirst(find))?.id)
}

/** Advances by two keep-alive intervals. */
async function waitForKeepAlives(): Promise<void> {
  for (let seconds = 0; seconds < (2 * KEEP_ALIVE_MS) / 1_000; seconds += 1) {
    await first.clock.advance(1_000)
    // A call gives the lease time to be renewed.
    await first.anonymous.expect(200, 'getReadiness')
  }
}

/**
 * Reads one answer, silent in its middle, in four ways: live, resumed from its start, resumed from
 * its middle, and resumed on another instance.
 */
async function readOnEveryPath(end: (turn: ManualTurn) => Promise<void>) {
  const alice = await first.createUser()
  const live = startStream(alice)
  const turn = await live.turn
  turn.say('Hello')
  const id = await findRunningGeneration()
  const open = first.clock.pending
  const others = [
    readResumed(alice, id),
    readResumed(alice, id, `${id}:1`),
    readResumed(instances.on(second, alice), id),
  ]
  await until(() => first.clock.pending >= open + others.length)
  await waitForKeepAlives()
  for (const piece of PIECES) turn.say(piece)
  await end(turn)
  const [whole, ...rest] = await advanceUntilSettled(
    [first.clock],
    Promise.all([live.answer, ...others]),
  )
  return { id, alice, whole, rest }
}

/** Checks that comments are lines of their own and that an empty line ends each event with data. */
function expectWellFormed(text: string): void {
  const blocks = text.split('\n\n')
  expect(blocks.pop()).toBe('')
  for (const block of blocks) {
    expect(block).toMatch(/^(?:: keepalive\n)*event: [a-z.]+\n(?:id: \S+\n)?data: \{.*\}$/)
  }
}

async function readInChunks(reader: Parser, { text }: WireResponse): Promise<Read[]> {
  const bytes = new TextEncoder().encode(text)
  const whole = await reader(bytes, bytes.length)
  for (const size of [1, 7]) expect(await reader(bytes, size)).toEqual(whole)
  return whole
}

describe.each(Object.entries(PARSERS))('the parser %s', (_, reader) => {
  test('reads an answer with keep-alives: live, resumed, and on another instance', async () => {
    const { id, whole, rest } = await readOnEveryPath(async (turn) => {
      turn.end()
    })

    for (const { text } of [whole, ...rest]) {
      expectWellFormed(text)
      expect(text.match(/^: keepalive$/gm)?.length).toBeGreaterThanOrEqual(1)
    }

    const events = await readInChunks(reader, whole)
    expect(events.map(({ name }) => name)).toEqual(events.map(({ event }) => event.type))
    expect(events.at(-1)!.event).toMatchObject({ type: 'message.end', message: { content: TEXT } })

    const ids = events.map((event) => event.id).filter((one) => one !== undefined)
    if (ids.length > 0) expect(ids).toEqual(events.map((__, i) => `${id}:${i + 1}`))

    const [fromStart, fromMiddle, elsewhere] = await Promise.all(
      rest.map((one) => readInChunks(reader, one)),
    )
    expect(fromStart!.at(-1)).toEqual(events.at(-1))
    expect(elsewhere!.at(-1)).toEqual(events.at(-1))
    expect(fromMiddle).toEqual(fromStart!.slice(1))
  })

  test('reads an interrupted answer, and resumes it afterwards', async () => {
    const { store } = first.parley.deps
    const { id, alice, whole, rest } = await readOnEveryPath(async (turn) => {
      // As an instance does with the answers of one that died.
      await store.generations.interruptAbandoned({ now: second.clock.now(), all: true })
      turn.end()
    })
    const afterwards = await readResumed(instances.on(second, alice), id)

    for (const answer of [whole, ...rest, afterwards]) {
      expectWellFormed(answer.text)
      const events = await readInChunks(reader, answer)
      expect(events.map(({ name }) => name)).toEqual(events.map(({ event }) => event.type))
      expect(events.at(-1)!.name).toBe('message.error')
    }
  })
})

describe('the format of a stream', () => {
  const TEXTS = [
    'a\r\nb',
    '\u2028\u2029\u0085',
    ': keepalive\n\n',
    'data: x\n\nevent: y\r\r',
    '🙂한',
  ]

  test('has no line end of any convention but its own, and carries the stored text', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice, { firstWords: '\r' })
    for (const text of TEXTS) turn.say(text)
    turn.end()
    await stream.rest()

    const url = alice.urlOf('resumeStream', { path: start })
    const { text } = await send(url, { headers: alice.credentials })

    expect(text).not.toMatch(/[\r\v\f\u0085\u2028\u2029]/)
    for (const line of text.split('\n')) expect(line).toMatch(/^$|^(event|id|data): ./)

    const events = await (await resumeStream(alice, start.generationId)).rest()
    const { body } = await alice.expect(200, 'getConversation', { path: start })
    expect(body.messages.at(-1)!.content).toBe(`\r${TEXTS.join('')}`)
    expect(textOf(events)).toBe(body.messages.at(-1)!.content)
  })

  test('has a comment every 15 s while the engine is silent, on every instance', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const read = (client: Client) =>
      send(client.urlOf('resumeStream', { path: start }), { headers: client.credentials })

    const texts = [read(alice), read(instances.on(second, alice))]
    const open = first.clock.pending
    await until(() => first.clock.pending >= open + 2)
    for (let elapsed = 0; elapsed < 32; elapsed += 1) {
      await first.clock.advance(1_000)
      // A call gives the lease time to be renewed.
      await alice.expect(200, 'getGeneration', { path: start })
    }
    turn.end()
    await stream.rest()

    for (const { text } of await advanceUntilSettled([first.clock], Promise.all(texts))) {
      expect(text.match(/^: keepalive$/gm)?.length).toBeGreaterThanOrEqual(2)
    }
  })
})
