import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EngineFailure } from '../../src/engine/engine.ts'
import { createClient, type Client } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { startInstances } from '../support/process/instances.ts'
import type { TestServer } from '../support/server.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { terminalEventOf } from './terminal-events.given.ts'

const engine = createManualEngine()

type Ending =
  'completed' | 'completedWithUsage' | 'cancelled' | 'failed' | 'interrupted' | 'deleted'

/** Creates an answer that ends this way. Returns its usage and how many messages it counts. */
async function createAnswer(ending: Ending, alice: Client, servers: readonly TestServer[]) {
  const [first, second] = servers as [TestServer, TestServer]
  const { turn, stream, start } = await openManualStream(engine, alice)
  if (ending === 'completed') turn.end()
  if (ending === 'completedWithUsage') {
    turn.end({ inputTokens: 7, outputTokens: 11, totalTokens: 18, source: 'upstream' })
  }
  if (ending === 'failed') turn.fail(new EngineFailure('upstream-failed', ''))
  if (ending === 'cancelled') await alice.expect(200, 'cancelGeneration', { path: start })
  if (ending === 'deleted') await alice.expect(204, 'deleteConversation', { path: start })
  if (ending === 'interrupted') {
    await first.parley.deps.store.generations.interruptAbandoned({
      now: second.clock.now(),
      all: true,
    })
    turn.end()
  }

  const end = terminalEventOf(await stream.rest()).event
  const message = 'message' in end ? end.message : undefined
  const usage = 'usage' in end ? end.usage : message?.usage
  // The usage of an interrupted answer is unknown.
  expect(usage === undefined).toBe(ending === 'interrupted')
  return { usage, answered: ending === 'interrupted' ? 0 : 1 }
}

describe('GET /users/usage', () => {
  test('sums the usage of all answers, however they ended', async () => {
    const endings: Ending[] = [
      'completed',
      'completedWithUsage',
      'cancelled',
      'failed',
      'interrupted',
      'deleted',
    ]
    const clock = new TestClock()
    const instances = await startInstances(() => [
      { clock, replacements: { deps: { engine } } },
      { clock, replacements: { deps: { engine } } },
    ])
    const run = fc.asyncProperty(
      fc.array(fc.constantFrom(...endings), { minLength: 1, maxLength: 8 }),
      async (mix) => {
        const alice = await instances.servers[0]!.createUser()
        const sums = {
          requests: mix.length,
          messages: 0,
          inputTokens: 0,
          outputTokens: 0,
          totalTokens: 0,
        }
        for (const ending of mix) {
          const { usage, answered } = await createAnswer(ending, alice, instances.servers)
          sums.messages += answered
          sums.inputTokens += usage?.inputTokens ?? 0
          sums.outputTokens += usage?.outputTokens ?? 0
          sums.totalTokens += usage?.totalTokens ?? 0
        }

        await clock.advance(1)
        const { totals, buckets } = (await alice.expect(200, 'getUsage')).body

        expect(totals).toEqual(sums)
        expect(buckets.reduce((sum, bucket) => sum + bucket.totalTokens, 0)).toBe(sums.totalTokens)
        const there = createClient(instances.servers[1]!.url, alice.identity)
        expect((await there.expect(200, 'getUsage')).body.totals).toEqual(sums)
      },
    )
    await fc.assert(run, { numRuns: 20 })
    await instances.close()
  }, 120_000)
})
