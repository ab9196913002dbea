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
/** As JSON text: some of these are numbers that JavaScript does not know. */
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
/** What ends an answer well, and what is told of it. */
const GOOD_ENDS = new Map<unknown, string | undefined>([
  ['stop', 'stop'],
  ['STOP', 'stop'],
  ['length', 'length'],
  ['content_filter', 'contentFilter'],
  ['tool_calls', undefined],
])
/** What ends nothing: then [DONE] does. */
const NO_ENDS: unknown[] = ['', 'null', null, 7]
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
    fc.constantFrom(...GOOD_ENDS.keys(), ...NO_ENDS),
    fc.string().filter((word) => word.trim() !== '' && !GOOD_ENDS.has(word)),
  ),
  thought: fc.constantFrom('', '<think>', '<think>hm</think>', '\n<think>h<m</think>\n\n'),
  usage: oddUsage,
  way: fc.constantFrom('whole' as const, 'stream' as const),
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

/** What can be kept of a text: no U+0000, and no half of a character. */
function keepable(texts: readonly string[]): string {
  return texts.join('').replaceAll('\0', '\ufffd').toWellFormed().slice(0, LONGEST_ANSWER)
}

/** Whether it is an answer at all: it has ended well, and has a text or is known to be held back. */
function isAnswer(reply: OddReply): boolean {
  const isEnd = GOOD_ENDS.has(reply.finish) || NO_ENDS.includes(reply.finish)
  return isEnd && (spokenIn(reply) !== '' || GOOD_ENDS.get(reply.finish) === 'contentFilter')
}

/** The text of it that can be kept, without what was thought. */
function spokenIn({ texts, thought }: OddReply): string {
  if (thought === '') return keepable(texts)
  return thought.includes('</think>') ? keepable([texts.join('').trimStart()]) : ''
}

/** Nothing but thinking for as long as it may be, or the call of a tool, is not worth another try. */
function codeOf(reply: OddReply): string {
  const isFinal = ['length', 'tool_calls'].includes(String(reply.finish))
  return isFinal && spokenIn(reply) === '' ? 'upstream-refused' : 'upstream-failed'
}

/** It may fail before its first word or after it: what it said is kept only as failed. */
async function expectFailure(reply: OddReply): Promise<void> {
  const { way } = reply
  const code = codeOf(reply)
  const body = { message: 'Hello', conversationId }
  if (way === 'whole') {
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

async function askBy(way: OddReply['way']) {
  const body = { message: 'Hello', conversationId }
  if (way === 'whole') return (await alice.expect(200, 'sendMessage', { body })).body.message
  const events = await (await openStream(alice, body)).rest()
  const end = events.at(-1)!.event
  if (end.type !== 'message.end') throw new Error(JSON.stringify(end))
  expect(textOf(events)).toBe(end.message.content)
  return end.message
}

test('whatever an upstream says of its answer, the text is kept as it was said, only what ended well is complete, and the conversation is free', async () => {
  const run = fc.asyncProperty(oddReply, async (reply) => {
    upstream.script = { reply: { contentType: 'text/event-stream', body: bodyOf(reply) } }
    if (!isAnswer(reply)) {
      await expectFailure(reply)
      return
    }
    const message = await askBy(reply.way)
    expect(message).toMatchObject({ status: 'complete', content: spokenIn(reply) })
    expect(message.finishReason).toBe(GOOD_ENDS.get(reply.finish))
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
  ['beyond what is counted', '2000000000', '2000000000', undefined],
  ['negative in one part', '-5', '3', { outputTokens: 3, source: 'upstream' }],
  ['the most that is believed', '100000000', '100000000', { totalTokens: 200_000_000 }],
])('of usage that is %s is told what can be', async (_, input, output, told) => {
  const usage = `{"prompt_tokens":${input},"completion_tokens":${output}}`
  const reply = {
    id: 'x',
    model: 'm',
    texts: ['Yes'],
    finish: 'stop',
    usage,
    thought: '' as const,
    way: 'whole' as const,
  }
  upstream.script = { reply: { contentType: 'text/event-stream', body: bodyOf(reply) } }

  const message = await askBy('whole')

  expect(message).toMatchObject({ content: 'Yes', usage: told ?? { source: 'estimated' } })
})

test('an empty finish reason with every chunk ends nothing', async () => {
  const says = (content: string) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: '' }] })}\n\n`
  upstream.script = {
    reply: { contentType: 'text/event-stream', body: says('Hel') + says('lo') },
  }

  const events = await (await openStream(alice, { message: 'Hi', conversationId })).rest()

  // It never said that it was done: what it said is not taken for the whole.
  expect(events.at(-1)!.event).toMatchObject({
    type: 'message.error',
    message: { content: 'Hello', status: 'failed' },
  })
})

describe('an engine of another make, whose words the database refuses,', () => {
  test.each([
    ['usage', { inputTokens: 4_000_000_000, source: 'upstream' as const }, ''],
    ['U+0000', undefined, ' a\0b'],
  ])('as it does odd %s, costs neither the text nor the conversation', async (_, usage, more) => {
    const engine = createManualEngine()
    const held = await startServer({ replacements: { deps: { engine } } })
    const bob = await held.createUser()
    const { turn, stream, start } = await openManualStream(engine, bob)
    if (more !== '') turn.say(more)
    turn.end(usage)
    const end = (await stream.rest()).at(-1)!.event
    const content = `Hello${more}`.replaceAll('\0', '\ufffd')
    expect(end).toMatchObject({
      type: 'message.end',
      message: { content, status: 'complete', usage: { source: 'estimated' } },
    })

    const { body } = await bob.expect(200, 'getConversation', { path: start })
    expect(body.messages.at(-1)).toMatchObject({ content, status: 'complete' })
    expect(JSON.stringify(held.logLines())).toContain('generation failed')

    await held.close()
  })
})
