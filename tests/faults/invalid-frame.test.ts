import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChatStreamEvent, ExportRecord } from '../../generated/api.ts'
import type { Frame } from '../../src/contract/types.ts'
import type { Operations } from '../../src/operations/operation.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'

type Frames = AsyncIterable<Frame<ChatStreamEvent>>

/** Changes the second frame of every stream. */
let corrupt: (event: ChatStreamEvent) => object
let server: TestServer
beforeAll(async () => {
  async function* corruptFrames(frames: Frames): AsyncGenerator<Frame<ChatStreamEvent>> {
    let seq = 0
    for await (const { id, event } of frames) {
      seq += 1
      yield { id, event: seq === 2 ? (corrupt(event) as ChatStreamEvent) : event }
    }
  }
  async function* corruptLines(lines: AsyncIterable<ExportRecord>) {
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
      return { ...reply, frames: corruptFrames(reply.frames) }
    },
    async exportAccount(input, caller, call) {
      const reply = await real.exportAccount(input, caller, call)
      return { ...reply, lines: corruptLines(reply.lines) }
    },
  })
  server = await startServer({ allowsViolations: true, replacements: { operations } })
})
afterAll(() => server.close())

describe('a stream', () => {
  test.each([
    ['an additional property', { passwordHash: 'hunter2' }, /additional properties/],
    ['a property of the wrong type', { text: 42 }, /text must be string/],
    ['a missing property', { text: undefined }, /required property 'text'/],
    ['an unknown type', { type: 'message.secret' }, /message\.secret/],
  ])(
    'ends with an error instead of an event with %s, and logs the violation',
    async (_, change, reason) => {
      corrupt = (event) => ({ ...event, ...change })
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
      expect(violation!['violation']).toMatch(reason)
      expect(JSON.stringify(logged)).not.toContain('hunter2')
    },
  )

  test('lets the answer finish and be stored when an event is invalid', async () => {
    corrupt = () => ({ type: 'message.delta' })
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

  test('ends with an error when its frames throw, and logs the failure', async () => {
    corrupt = () => {
      throw new Error('a view that fails')
    }
    const alice = await server.createUser()

    const stream = await openStream(alice, { message: 'Hello' })
    const events = await stream.rest()

    expect(events.map(({ name }) => name)).toEqual(['message.start', 'message.error'])
    // A client that resumes continues after the last valid event.
    expect(events[1]!.id).toBe(events[0]!.id)
    expect(JSON.stringify(events)).not.toContain('a view that fails')

    const mistake = server.logLines().find((line) => line['msg'] === 'unexpected failure')
    expect(JSON.stringify(mistake)).toContain('a view that fails')
  })
})

describe('an export', () => {
  test('breaks off before a line that violates the contract', async () => {
    const alice = await server.createUser()
    let text = ''
    const reading = async () => {
      const response = await fetch(`${server.url}/api/v1/users/export`, {
        headers: alice.credentials,
      })
      for await (const chunk of response.body!) text += Buffer.from(chunk).toString()
    }
    // An incomplete export must not look complete.
    await expect(reading()).rejects.toThrow()
    expect(text).not.toContain('hunter2')

    const violation = server.logLines().findLast(({ msg }) => msg === 'contract violated')
    expect(violation).toMatchObject({ operationId: 'exportAccount' })
  })
})
