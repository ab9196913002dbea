import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LONGEST_ANSWER } from '../../src/domain/chat/answer-buffer.ts'
import type { Client } from '../support/client.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { seedOfRun } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, textOf } from '../support/wire/stream.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'

const RUNS = 60
/** As JSON text, because JavaScript cannot represent some of these numbers. */
const ODD_NUMBERS = [
  '0',
  '-1',
  '1.5',
  '2000000000',
  '2147483647',
  '2147483648',
  '9007199254740993',
  '1e308',
  '1e999',
  '"7"',
  'null',
  'true',
  '[1]',
  '{}',
  '7',
]
const ODD_NAMES = [
  '',
  'm\0m',
  'm\ud800',
  'two\nlines',
  '\u202eevil',
  '\u001b[2J',
  'x'.repeat(100_000),
  7,
  null,
  { id: 'm' },
  '/models/x\0.gguf',
]
/** The finish reasons of a complete answer, and what callers see of each. */
const COMPLETE_REASONS = new Map<unknown, string | undefined>([
  ['stop', 'stop'],
  ['STOP', 'stop'],
  ['length', 'length'],
  ['content_filter', 'contentFilter'],
  ['tool_calls', undefined],
])
/** Finish reasons that end nothing: such an answer ends with [DONE]. */
const IGNORED_REASONS: unknown[] = ['', 'null', null, 7]
const ODD_TEXTS = [
  '\0',
  '\ud83d',
  '\ude00',
  '\ud800',
  '\ufeff',
  '\u2028',
  '\r\n',
  'word ',
  '한',
  '',
]

let upstream: TestUpstream
let server: TestServer
let alice: Client
let conversationId: string
beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ env: { CHAT_UPSTREAM_URL: upstream.url } })
  alice = await server.createUser()
  conversationId = (await alice.expect(201, 'createConversation', { body: {} })).body.id
})
afterAll(async () => {
  await server.close()
  await upstream.close()
})

const oddName = fc.oneof(fc.constantFrom(...ODD_NAMES), fc.string(), fc.jsonValue())
const oddText = fc.oneof(fc.constantFrom(...ODD_TEXTS), fc.string({ unit: 'binary' }))
const oddNumber = fc.oneof(fc.constantFrom(...ODD_NUMBERS), fc.integer().map(String))
const oddUsage = fc.oneof(
  fc
    .record({ prompt_tokens: oddNumber, completion_tokens: oddNumber, total_tokens: oddNumber })
    .map((numbers) => {
      const fields = Object.entries(numbers).map(([name, number]) => `"${name}":${number}`)
      return `{${fields.join()}}`
    }),
  fc.jsonValue().map((value) => JSON.stringify(value)),
)
const oddReply = fc.record({
  id: oddName,
  model: oddName,
  texts: fc.array(oddText, { maxLength: 8 }),
  finish: fc.oneof(
    fc.constantFrom(...COMPLETE_REASONS.keys(), ...IGNORED_REASONS),
    fc.string().filter((word) => word.trim() !== '' && !COMPLETE_REASONS.has(word)),
  ),
  thought: fc.constantFrom('', '<think>', '<think>hm</think>', '\n<think>h<m</think>\n\n'),
  usage: oddUsage,
  operation: fc.constantFrom('sendMessage' as const, 'streamMessage' as const),
})
type OddReply = typeof oddReply extends fc.Arbitrary<infer T> ? T : never

function bodyOf({ id, model, texts, finish, usage, thought }: OddReply): string {
  const chunks = [...thought, ...texts].map((content) => ({
    id,
    model,
    choices: [{ index: 0, delta: { content } }],
  }))
  const last = { id, model, choices: [{ index: 0, delta: {}, finish_reason: finish }] }
  const events = [...chunks, last].map((chunk) => JSON.stringify(chunk))
  const counted = `{"choices":[],"usage":${usage}}`
  return [...events, counted, '[DONE]'].map((data) => `data: ${data}\n\n`).join('')
}

/** Returns what can be stored of a text: no U+0000, and no half of a character. */
function storable(texts: readonly string[]): string {
  return texts.join('').replaceAll('\0', '\ufffd').toWellFormed().slice(0, LONGEST_ANSWER)
}

/** Whether the reply is a complete answer: it ended well, and has a text or was filtered. */
function isAnswer(reply: OddReply): boolean {
  const isEnd = COMPLETE_REASONS.has(reply.finish) || IGNORED_REASONS.includes(reply.finish)
  return (
    isEnd && (spokenText(reply) !== '' || COMPLETE_REASONS.get(reply.finish) === 'contentFilter')
  )
}

/** Returns the text that is stored, without the model's thoughts. */
function spokenText({ texts, thought }: OddReply): string {
  if (thought === '') return storable(texts)
  return thought.includes('</think>') ? storable([texts.join('').trimStart()]) : ''
}

/** A retry cannot help when the model only thought up to its limit, or called a tool. */
function codeOf(reply: OddReply): string {
  const isFinal = ['length', 'tool_calls'].includes(String(reply.finish))
  return isFinal && spokenText(reply) === '' ? 'upstream-refused' : 'upstream-failed'
}

/** The reply may fail before any text or after it: its text is then stored as failed. */
async function expectFailure(reply: OddReply): Promise<void> {
  const { operation } = reply
  const code = codeOf(reply)
  const body = { message: 'Hello', conversationId }
  if (operation === 'sendMessage') {
    const answer = await alice.call('sendMessage', { body })
    if (answer.status !== 200) expect(answer.body).toMatchObject({ code })
    else expect(answer.body).toMatchObject({ message: { status: 'failed' } })
    return
  }
  const stream = await openStream(alice, body)
  if (stream.status === 502) return
  expect((await stream.rest()).at(-1)!.event).toMatchObject({
    type: 'message.error',
    problem: { code },
    message: { status: 'failed' },
  })
}

async function send(operation: OddReply['operation']) {
  const body = { message: 'Hello', conversationId }
  if (operation === 'sendMessage') {
    return (await alice.expect(200, 'sendMessage', { body })).body.message
  }
  const events = await (await openStream(alice, body)).rest()
  const end = events.at(-1)!.event
  if (end.type !== 'message.end') throw new Error(JSON.stringify(end))
  expect(textOf(events)).toBe(end.message.content)
  return end.message
}

test('an answer with arbitrary metadata keeps its text, is complete only if it ended well, and leaves the conversation free', async () => {
  const run = fc.asyncProperty(oddReply, async (reply) => {
    upstream.script = { reply: { contentType: 'text/event-stream', body: bodyOf(reply) } }
    if (!isAnswer(reply)) {
      await expectFailure(reply)
      return
    }

    const message = await send(reply.operation)

    expect(message).toMatchObject({ status: 'complete', content: spokenText(reply) })
    expect(message.finishReason).toBe(COMPLETE_REASONS.get(reply.finish))
    const { body } = await alice.expect(200, 'getConversation', { path: { conversationId } })
    expect(body.messages.at(-1)).toEqual(message)

    const { inputTokens = 0, outputTokens = 0, totalTokens } = message.usage!
    if (totalTokens !== undefined) {
      expect(totalTokens).toBeGreaterThanOrEqual(inputTokens + outputTokens)
    }
  })

  await fc.assert(run, { numRuns: RUNS, seed: seedOfRun() })

  await server.clock.advance(1)
  await alice.expect(200, 'getUsage')
}, 120_000)

test.each([
  ['too large to be counted', '2000000000', '2000000000', undefined],
  ['negative in one part', '-5', '3', { outputTokens: 3, source: 'upstream' }],
  ['the largest accepted number', '100000000', '100000000', { totalTokens: 200_000_000 }],
])('usage that is %s is reported as far as it is plausible', async (_, input, output, usage) => {
  const counted = `{"prompt_tokens":${input},"completion_tokens":${output}}`
  const reply = {
    id: 'x',
    model: 'm',
    texts: ['Yes'],
    finish: 'stop',
    usage: counted,
    thought: '' as const,
    operation: 'sendMessage' as const,
  }
  upstream.script = { reply: { contentType: 'text/event-stream', body: bodyOf(reply) } }

  const message = await send('sendMessage')

  expect(message).toMatchObject({ content: 'Yes', usage: usage ?? { source: 'estimated' } })
})

test('an answer with an empty finish reason in every chunk is stored as failed', async () => {
  const says = (content: string) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: '' }] })}\n\n`
  upstream.script = {
    reply: { contentType: 'text/event-stream', body: says('Hel') + says('lo') },
  }

  const events = await (await openStream(alice, { message: 'Hi', conversationId })).rest()

  // Without a real finish reason or [DONE], the text may be only a part of the answer.
  expect(events.at(-1)!.event).toMatchObject({
    type: 'message.error',
    message: { content: 'Hello', status: 'failed' },
  })
})

describe('an engine whose output the database refuses', () => {
  test.each([
    ['usage', { inputTokens: 4_000_000_000, source: 'upstream' as const }, ''],
    ['U+0000', undefined, ' a\0b'],
  ])('loses neither the text nor the conversation because of its %s', async (_, usage, more) => {
    const engine = createManualEngine()
    const otherServer = await startServer({ replacements: { deps: { engine } } })
    const bob = await otherServer.createUser()
    const { turn, stream, start } = await openManualStream(engine, bob)
    const content = `Hello${more}`.replaceAll('\0', '\ufffd')

    if (more !== '') turn.say(more)
    turn.end(usage)
    const end = (await stream.rest()).at(-1)!.event

    expect(end).toMatchObject({
      type: 'message.end',
      message: { content, status: 'complete', usage: { source: 'estimated' } },
    })

    const { body } = await bob.expect(200, 'getConversation', { path: start })
    expect(body.messages.at(-1)).toMatchObject({ content, status: 'complete' })
    expect(JSON.stringify(otherServer.logLines())).toContain('generation failed')

    await otherServer.close()
  })
})
