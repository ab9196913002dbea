import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEngine } from '../../src/engine/create-engine.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { type OpenStream, openStream, resumeStream, textOf } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { converse, getLastMessage, logAnswer } from './conversing.ts'

/** Set by `npm run test:real-model`, which starts the model server (scripts/real-model.ts). */
const url = process.env['TEST_REAL_MODEL_URL']
/** The same model, with a prompt that makes its answers long. */
const RAMBLING = 'gemma-3-270m-rambling'
const PATIENCE_MS = 180_000

const startParley = (model?: string) =>
  startServer({
    replacements: {
      deps: {
        clock: systemClock,
        engine: createEngine(
          { url, key: undefined, model, timeoutSeconds: 120 },
          { clock: systemClock, random: Math.random },
        ),
      },
    },
  })

async function readEvents(stream: OpenStream, count: number) {
  const events = []
  while (events.length < count) events.push((await stream.next())!)
  return events
}

describe.skipIf(url === undefined)('a real model', () => {
  let parley: TestServer
  let rambling: TestServer
  beforeAll(async () => {
    ;[parley, rambling] = await Promise.all([startParley(), startParley(RAMBLING)])
  }, PATIENCE_MS)
  afterAll(() => Promise.all([parley.close(), rambling.close()]))

  test.each([
    ['English', ['Hello! What is the capital of France?', 'And what do people eat there?']],
    ['Korean', ['안녕하세요! 한국의 수도는 어디인가요?', '그곳에서 사람들은 무엇을 먹나요?']],
  ])(
    'converses in %s piece by piece, and stores what was streamed',
    async (_language, [first, second]) => {
      const alice = await parley.createUser()
      const begun = await converse(alice, first!)
      expect(begun.end.message.model).toBe('gemma-3-270m')
      expect(begun.events.length).toBeGreaterThan(3)

      const { end } = await converse(alice, second!, begun.end.message.conversationId)
      const { inputTokens, outputTokens, totalTokens } = end.usage
      expect(inputTokens).toBeGreaterThan(begun.end.usage.inputTokens!)
      expect(totalTokens).toBe(inputTokens! + outputTokens!)

      console.log('usage', end.usage)
    },
    PATIENCE_MS,
  )

  test(
    'answers POST /chat with the whole text',
    async () => {
      const alice = await parley.createUser()
      const startedMs = performance.now()
      const body = { message: 'What do cats like to eat?', mode: 'concise' }
      const answer = (await alice.expect(200, 'sendMessage', { body })).body

      logAnswer(body.message, answer.message.content, startedMs)

      expect(answer.message).toMatchObject({ status: 'complete', usage: answer.usage })
      expect(answer.message.content).not.toBe('')
      expect(await getLastMessage(alice, answer.conversationId)).toEqual(answer.message)
    },
    PATIENCE_MS,
  )

  const ramble = { message: 'Tell me about the sea.', mode: 'concise' }

  test(
    'can be cancelled: the text so far is stored, and the next answer begins',
    async () => {
      const alice = await rambling.createUser()
      const startedMs = performance.now()
      const stream = await openStream(alice, ramble)
      const read = await readEvents(stream, 6)
      const start = read[0]!.event
      if (start.type !== 'message.start') throw new Error(`It began with ${start.type}`)
      const path = { generationId: start.generationId }
      const cancelled = (await alice.expect(200, 'cancelGeneration', { path })).body
      const events = [...read, ...(await stream.rest())]

      logAnswer('cancelled', cancelled.content, startedMs)

      expect(events.at(-1)!.event).toMatchObject({ type: 'message.cancelled', message: cancelled })
      expect(cancelled).toMatchObject({ status: 'cancelled', content: textOf(events) })
      expect(cancelled.content).not.toBe('')
      expect(cancelled.usage?.source).toBe('estimated')
      expect(await getLastMessage(alice, start.conversationId)).toEqual(cancelled)

      const againMs = performance.now()
      const { conversationId } = start
      const next = await openStream(alice, { ...ramble, conversationId, onDisconnect: 'cancel' })
      logAnswer('the next began after', textOf(await readEvents(next, 3)), againMs)
      next.hangUp()
    },
    PATIENCE_MS,
  )

  test(
    'can be resumed after a lost connection, up to the text that is stored',
    async () => {
      const alice = await rambling.createUser()
      const startedMs = performance.now()
      const broken = await openStream(alice, ramble)
      const read = await readEvents(broken, 10)
      broken.hangUp()

      const resumed = await resumeStream(alice, read.at(-1)!.id.split(':')[0]!, read.at(-1)!.id)

      expect(resumed.status).toBe(200)

      const events = [...read, ...(await resumed.rest())]
      logAnswer('resumed', textOf(events), startedMs)
      expect(events.map(({ id }) => Number(id.split(':')[1]))).toEqual(events.map((_, i) => i + 1))

      const end = events.at(-1)!.event
      expect(end).toMatchObject({
        type: 'message.end',
        message: { content: textOf(events), status: 'complete' },
      })
    },
    PATIENCE_MS,
  )

  test(
    'stops when a reader with onDisconnect: cancel hangs up',
    async () => {
      const alice = await rambling.createUser()
      const stream = await openStream(alice, { ...ramble, onDisconnect: 'cancel' })
      const read = await readEvents(stream, 4)
      stream.hangUp()
      const [generationId] = read[0]!.id.split(':') as [string]

      const ended = await until(async () => {
        const { body } = await alice.expect(200, 'getGeneration', { path: { generationId } })
        return body.status !== 'running' && body
      })

      expect(ended.status).toBe('cancelled')

      const { conversationId } = ended
      expect((await getLastMessage(alice, conversationId)).content).toContain(textOf(read))

      const againMs = performance.now()
      const next = await openStream(alice, { ...ramble, conversationId, onDisconnect: 'cancel' })
      logAnswer('the next began after', textOf(await readEvents(next, 3)), againMs)
      next.hangUp()
    },
    PATIENCE_MS,
  )
})
