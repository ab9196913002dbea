import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config/config.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { createEngine } from '../../src/engine/create-engine.ts'
import type { Client } from '../support/client.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import { ReplayUpstream } from '../support/upstream/replay-upstream.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { streamChat, sendChat, type ChatResult } from '../support/wire/chat-result.ts'
import {
  familiesOf,
  type Outcome,
  type Reply,
  type UpstreamCase,
  upstreamCases,
} from '../support/upstream/upstream-cases.ts'

const KEY = 'sk-the-key-of-the-corpus'
const WAYS = [
  ['POST /chat', sendChat],
  ['POST /chat/stream', streamChat],
] as const
/** What a well-behaved server says; for the rest of a conversation. */
const PLAIN: Reply = {
  stream: [
    'data: {"choices":[{"index":0,"delta":{"content":"Yes."},"finish_reason":"stop"}]}',
    'data: [DONE]\n\n',
  ].join('\n\n'),
}

const families = familiesOf(await upstreamCases())

let server: TestServer
let engine: Engine
const upstream = new ReplayUpstream()
beforeAll(async () => {
  await upstream.listen()
  // One server for all: what differs is the engine, which is made anew from each case's settings.
  const changing: Engine = {
    kind: 'openai-compatible',
    ruleBased: false,
    get model() {
      return engine.model
    },
    answer: (turn, signal) => engine.answer(turn, signal),
    check: () => engine.check(),
  }
  server = await startServer({ replacements: { deps: { engine: changing } } })
})
afterAll(() => Promise.all([server.close(), upstream.close()]))

describe.each([...families])('%s', (_, cases) => {
  test.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    upstream.models = one.models ?? ['test-model']
    engine = engineOf(one)
    const logged = server.logLines().length
    const alice = await server.createUser()

    for (const [way, ask] of WAYS) await tryOne(one, { alice, way, ask })
    const lines = server.logLines().slice(logged)

    expectLog(lines.map((line) => JSON.stringify(line)).join('\n'), one.parley)
  })
})

function engineOf({ base = '/v1', settings }: UpstreamCase): Engine {
  const url = upstream.origin + base
  const config = readConfig({ CHAT_UPSTREAM_URL: url, CHAT_UPSTREAM_KEY: KEY, ...settings }, [])
  const { log } = server.parley.deps
  return createEngine(config.engine, { clock: server.clock, random: () => 0, log })
}

type Way = { alice: Client; way: string; ask: typeof sendChat }

async function tryOne(one: UpstreamCase, { alice, way, ask }: Way): Promise<void> {
  const conversationId = await converse(alice, one.earlier ?? 0)
  upstream.play(one.replies)
  const asking = ask(alice, { message: 'Hello', ...(conversationId && { conversationId }) })
  const told = await (takesTime(one) ? advanceUntilSettled([server.clock], asking) : asking)
  expectOutcome(told, one.parley, way)
  const asks = asksOf(one.parley, way)
  if (asks !== undefined) expect(upstream.asked, way).toHaveLength(asks)
  for (const body of upstream.asked) {
    expect('temperature' in body && 'top_p' in body, 'two sampling values').toBe(false)
  }
  await expectNever(one.parley, alice, told)
}

/** How often the model is asked for one answer. How a long history is shortened is nobody's promise. */
function asksOf({ asks, remembered, ...rest }: Outcome, way: string): number | undefined {
  if (remembered && way !== WAYS[0][0]) return 1
  const isTooLong = rest.omittedMessages !== undefined || rest.problem === 'context-too-long'
  return asks ?? (isTooLong ? undefined : 1)
}

/** Where all is well at once, the clock stands still: nothing of the outcome is a matter of time. */
function takesTime({ replies }: UpstreamCase): boolean {
  return replies.some(({ status = 200, end }) => status !== 200 || end !== undefined)
}

async function converse(alice: Client, times: number, begun?: string): Promise<string | undefined> {
  upstream.play([PLAIN])
  let conversationId = begun
  for (let n = 0; n < times; n += 1) {
    const body = { message: `And ${n}?`, ...(conversationId && { conversationId }) }
    conversationId = (await alice.expect(200, 'sendMessage', { body })).body.conversationId
  }
  return conversationId
}

function expectOutcome(told: ChatResult, wanted: Outcome, way: string): void {
  const { message, problem, pieces } = told
  if (wanted.problem !== undefined) {
    expectFailure(told, wanted, way)
    return
  }
  expect(problem, way).toBeUndefined()
  if (pieces !== undefined) expect(pieces).toBe(wanted.text)
  const { content, finishReason = 'unknown', usage, omittedMessages, model } = message!
  if (wanted.omittedMessages !== undefined) {
    expect(omittedMessages, way).toBeGreaterThanOrEqual(wanted.omittedMessages)
  }
  expect({ content, finishReason, usage }, way).toEqual({
    content: wanted.text,
    finishReason: wanted.finishReason,
    // What an estimate says is another test's.
    usage:
      wanted.usage?.source === 'estimated' ? expect.objectContaining(wanted.usage) : wanted.usage,
  })
  if (wanted.model !== undefined) expect(model).toBe(wanted.model)
}

/** What had begun to come when it failed is kept; `POST /chat` answers with that, and the stream with both. */
function expectFailure(told: ChatResult, wanted: Outcome, way: string): void {
  const { message, problem, pieces, status, hasRetryAfter } = told
  const { problem: code, retryable, retryAfter, text } = wanted
  if (text !== undefined) expect(message).toMatchObject({ status: 'failed', content: text })
  if (text !== undefined && pieces === undefined) return
  expect(problem, `${way}: ${told.raw}`).toMatchObject({ code, retryable })
  if (status !== 200) expect(hasRetryAfter, `${way}: Retry-After`).toBe(retryAfter)
}

/** Neither in what was told and is kept, nor in what the model is sent the next time. */
async function expectNever(
  { never = [] }: Outcome,
  alice: Client,
  told: ChatResult,
): Promise<void> {
  if (never.length === 0) return
  const everything: unknown[] = [told.raw]
  const conversationId = told.message?.conversationId
  if (conversationId !== undefined) {
    await converse(alice, 1, conversationId)
    const path = { conversationId }
    everything.push(upstream.asked, (await alice.expect(200, 'getConversation', { path })).body)
  }
  for (const words of never) expect(JSON.stringify(everything)).not.toContain(words)
}

function expectLog(lines: string, { log, never = [] }: Outcome): void {
  if (log !== undefined) expect(lines).toContain(log)
  for (const words of [...never, KEY]) expect(lines).not.toContain(words)
}
