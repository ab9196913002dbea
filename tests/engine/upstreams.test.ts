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
/** The operations that send a message, and how a test calls them. */
const OPERATIONS = [
  ['POST /chat', sendChat],
  ['POST /chat/stream', streamChat],
] as const
/** The reply of a well-behaved server, for the rest of a conversation. */
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
  // One server for all cases: only the engine differs, which is created from the settings of each case.
  const currentEngine: Engine = {
    kind: 'openai-compatible',
    ruleBased: false,
    get model() {
      return engine.model
    },
    answer: (turn, signal) => engine.answer(turn, signal),
    check: () => engine.check(),
  }
  server = await startServer({ replacements: { deps: { engine: currentEngine } } })
})
afterAll(() => Promise.all([server.close(), upstream.close()]))

describe.each([...families])('%s', (_, cases) => {
  test.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    upstream.models = one.models ?? ['test-model']
    engine = engineOf(one)
    const logged = server.logLines().length
    const alice = await server.createUser()

    for (const [operation, send] of OPERATIONS) await replay(one, { alice, operation, send })

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

type Operation = { alice: Client; operation: string; send: typeof sendChat }

async function replay(one: UpstreamCase, { alice, operation, send }: Operation): Promise<void> {
  const conversationId = await converse(alice, one.earlier ?? 0)
  upstream.play(one.replies)
  const sending = send(alice, { message: 'Hello', ...(conversationId && { conversationId }) })
  const result = await (takesTime(one) ? advanceUntilSettled([server.clock], sending) : sending)
  expectOutcome(result, one.parley, operation)
  const requests = requestsOf(one.parley, operation)
  if (requests !== undefined) expect(upstream.asked, operation).toHaveLength(requests)
  for (const body of upstream.asked) {
    expect('temperature' in body && 'top_p' in body, 'two sampling values').toBe(false)
  }
  await expectNever(one.parley, alice, result)
}

/** The requests for one answer; undefined for a history that is too long, whose number is not promised. */
function requestsOf({ asks, remembered, ...rest }: Outcome, operation: string): number | undefined {
  if (remembered && operation !== OPERATIONS[0][0]) return 1
  const isTooLong = rest.omittedMessages !== undefined || rest.problem === 'context-too-long'
  return asks ?? (isTooLong ? undefined : 1)
}

/** Whether the clock must advance; without a failure, the outcome must not depend on time. */
function takesTime({ replies }: UpstreamCase): boolean {
  return replies.some(({ status = 200, end }) => status !== 200 || end !== undefined)
}

async function converse(
  alice: Client,
  times: number,
  existingId?: string,
): Promise<string | undefined> {
  upstream.play([PLAIN])
  let conversationId = existingId
  for (let n = 0; n < times; n += 1) {
    const body = { message: `And ${n}?`, ...(conversationId && { conversationId }) }
    conversationId = (await alice.expect(200, 'sendMessage', { body })).body.conversationId
  }
  return conversationId
}

function expectOutcome(result: ChatResult, expected: Outcome, operation: string): void {
  const { message, problem, pieces } = result
  if (expected.problem !== undefined) {
    expectFailure(result, expected, operation)
    return
  }
  expect(problem, operation).toBeUndefined()
  if (pieces !== undefined) expect(pieces).toBe(expected.text)
  const { content, finishReason = 'unknown', usage, omittedMessages, model } = message!
  if (expected.omittedMessages !== undefined) {
    expect(omittedMessages, operation).toBeGreaterThanOrEqual(expected.omittedMessages)
  }
  expect({ content, finishReason, usage }, operation).toEqual({
    content: expected.text,
    finishReason: expected.finishReason,
    // The numbers of an estimate are tested elsewhere.
    usage:
      expected.usage?.source === 'estimated'
        ? expect.objectContaining(expected.usage)
        : expected.usage,
  })
  if (expected.model !== undefined) expect(model).toBe(expected.model)
}

/** The text that came before a failure is kept; `POST /chat` returns it, and the stream has it and the problem. */
function expectFailure(result: ChatResult, expected: Outcome, operation: string): void {
  const { message, problem, pieces, status, hasRetryAfter } = result
  const { problem: code, retryable, retryAfter, text } = expected
  if (text !== undefined) expect(message).toMatchObject({ status: 'failed', content: text })
  if (text !== undefined && pieces === undefined) return
  expect(problem, `${operation}: ${result.raw}`).toMatchObject({ code, retryable })
  if (status !== 200) expect(hasRetryAfter, `${operation}: Retry-After`).toBe(retryAfter)
}

/** Expects the words of `never` neither in the result and the stored messages nor in the next request. */
async function expectNever(
  { never = [] }: Outcome,
  alice: Client,
  result: ChatResult,
): Promise<void> {
  if (never.length === 0) return
  const everything: unknown[] = [result.raw]
  const conversationId = result.message?.conversationId
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
