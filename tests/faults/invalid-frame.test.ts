import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChatStreamEvent, ExportRecord } from '../../generated/api.ts'
import type { Frame } from '../../src/contract/types.ts'
import type { Operations } from '../../src/operations/operation.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'

type Frames = AsyncIterable<Frame<ChatStreamEvent>>

/** What is done to the second frame of every stream. */
let spoil: (event: ChatStreamEvent) => object
let server: TestServer
beforeAll(async () => {
  async function* spoilt(frames: Frames): AsyncGenerator<Frame<ChatStreamEvent>> {
    let seq = 0
    for await (const { id, event } of frames) {
      seq += 1
      yield { id, event: seq === 2 ? (spoil(event) as ChatStreamEvent) : event }
    }
  }
  async function* spoiltLines(lines: AsyncIterable<ExportRecord>) {
    let seq = 0
    for await (const line of lines) {
      seq += 1
      yield seq === 2 ? { ...line, passwordHash: 'hunter2' } : line
    }
  }
  const operations = (real: Operations): Operations => ({
    ...real,
    async streamMessage(input, caller, call) {
      const reply = await real.streamMessage(input, caller, call)
      return { ...reply, frames: spoilt(reply.frames) }
    },
    async exportAccount(input, caller, call) {
      const reply = await real.exportAccount(input, caller, call)
      return { ...reply, lines: spoiltLines(reply.lines) }
    },
  })
  server = await startServer({ allowsViolations: true, replacements: { operations } })
})
afterAll(() => server.close())

test.each([
  ['a property more', { passwordHash: 'hunter2' }, /additional properties/],
  ['a property of another type', { text: 42 }, /text must be string/],
  ['a property less', { text: undefined }, /required property 'text'/],
  ['another type', { type: 'message.secret' }, /message\.secret/],
])(
  'an event with %s never leaves: the stream ends with an error, and the log says why',
  async (_, change, why) => {
    spoil = (event) => ({ ...event, ...change })
    const alice = await server.createUser()
    const stream = await openStream(alice, { message: 'Hello' })
    const events = await stream.rest()
    expect(events.map(({ name }) => name)).toEqual(['message.start', 'message.error'])

    const [start, error] = events
    expect(error!.event).toMatchObject({ problem: { code: 'internal', status: 500 } })
    expect(error!.id).toBe(start!.id.replace(/:1$/, ':2'))

    const requestId = stream.headers.get('x-request-id')
    const logged = server.logLines().filter((line) => line['requestId'] === requestId)
    const violation = logged.find((line) => line['msg'] === 'contract violated')
    expect(violation).toMatchObject({ level: 'error', operationId: 'streamMessage' })
    expect(violation!['violation']).toMatch(why)
    expect(JSON.stringify(logged)).not.toContain('hunter2')
  },
)

test('the answer behind a spoilt stream is finished and kept', async () => {
  spoil = () => ({ type: 'message.delta' })
  const alice = await server.createUser()
  const stream = await openStream(alice, { message: 'Hello' })
  const start = (await stream.next())!.event
  if (start.type !== 'message.start') throw new Error(start.type)
  await stream.rest()
  await server.parley.services.generations.settled()
  const path = { conversationId: start.conversationId }

  const { body } = await alice.expect(200, 'getConversation', { path })

  expect(body.messages[1]).toMatchObject({ status: 'complete' })
  expect(body.messages[1]!.content).not.toBe('')
})

test('a source of frames that throws ends the stream with an error, and the log says why', async () => {
  spoil = () => {
    throw new Error('a view that fails')
  }
  const alice = await server.createUser()
  const stream = await openStream(alice, { message: 'Hello' })
  const events = await stream.rest()
  expect(events.map(({ name }) => name)).toEqual(['message.start', 'message.error'])
  // Whoever comes back goes on behind the last event that arrived whole.
  expect(events[1]!.id).toBe(events[0]!.id)
  expect(JSON.stringify(events)).not.toContain('a view that fails')

  const mistake = server.logLines().find((line) => line['msg'] === 'unexpected failure')
  expect(JSON.stringify(mistake)).toContain('a view that fails')
})

test('a line of an export that breaks the contract never leaves: the export breaks off there', async () => {
  const alice = await server.createUser()
  let text = ''
  const reading = async () => {
    const response = await fetch(`${server.url}/api/v1/users/export`, {
      headers: alice.credentials,
    })
    for await (const chunk of response.body!) text += Buffer.from(chunk).toString()
  }
  // What is broken off must not look whole.
  await expect(reading()).rejects.toThrow()
  expect(text).not.toContain('hunter2')

  const violation = server.logLines().findLast(({ msg }) => msg === 'contract violated')
  expect(violation).toMatchObject({ operationId: 'exportAccount' })
})
