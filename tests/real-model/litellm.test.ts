import { afterEach, describe, expect, test } from 'vitest'
import { createEngine } from '../../src/engine/create-engine.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { converse } from './conversing.ts'

/** Set by `npm run test:real-model`: LiteLLM's proxy in front of the model server. */
const url = process.env['TEST_LITELLM_URL']
const KEY = process.env['TEST_LITELLM_KEY']
/** A model whose answers end only at the limit. LiteLLM knows a limit of 300 input tokens (scripts/real-model.ts). */
const RAMBLING = 'gemma-3-270m-rambling'
const PATIENCE_MS = 180_000
/** Some 130 tokens. */
const LONG = 'The sea is wide and blue, and it is cold. '.repeat(12)

let parley: TestServer
afterEach(() => parley.close())

async function startParley({ key = KEY, model }: { key?: string; model?: string } = {}) {
  const deps = { clock: systemClock, random: Math.random }
  const engine = createEngine({ url, key, model, timeoutSeconds: 120 }, deps)
  parley = await startServer({ replacements: { deps: { clock: systemClock, engine } } })
  return parley.createUser()
}

describe.skipIf(url === undefined)('a real model behind LiteLLM', () => {
  test(
    'answers piece by piece, reports its usage and finish reason, and knows the conversation',
    async () => {
      const alice = await startParley()
      const first = await converse(alice, 'Hello! What is the capital of France?')
      expect(first.events.length).toBeGreaterThan(3)

      const { end } = await converse(alice, 'And Spain?', first.end.message.conversationId)
      expect(end.message).toMatchObject({ finishReason: 'stop', usage: { source: 'upstream' } })
      expect(end.usage.inputTokens).toBeGreaterThan(first.end.usage.inputTokens!)
    },
    PATIENCE_MS,
  )

  test.each([
    ['a model that it does not know', { model: 'no-such-model' }],
    ['a wrong key', { key: 'sk-wrong' }],
  ])('refuses %s permanently, before anything is streamed', async (_, settings) => {
    const alice = await startParley({ model: RAMBLING, ...settings })
    for (const operationId of ['sendMessage', 'streamMessage'] as const) {
      const { body, headers } = await alice.refused('upstream-refused', operationId, {
        body: { message: 'Hello' },
      })
      expect(body.retryable).toBe(false)
      expect(headers).not.toHaveProperty('retry-after')
    }
  })

  test(
    'reports an answer that was cut at its greatest length, and the messages that the next one omitted',
    async () => {
      const alice = await startParley({ model: RAMBLING })
      const { end: cut } = await converse(alice, LONG)
      expect(cut.message.finishReason).toBe('length')

      const { end } = await converse(alice, `Again! ${LONG}`, cut.message.conversationId)
      expect(end.message.omittedMessages).toBe(2)
    },
    PATIENCE_MS,
  )

  test('refuses a single message that exceeds the context', async () => {
    const alice = await startParley({ model: RAMBLING })

    const { body } = await alice.refused('context-too-long', 'sendMessage', {
      body: { message: LONG.repeat(4) },
    })

    expect(body.retryable).toBe(false)
  })
})
