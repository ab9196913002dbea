import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EngineFailure } from '../../src/engine/engine.ts'
import { createClient, type Client } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { type Instances, startInstances } from '../support/process/instances.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import type { TestServer } from '../support/server.ts'
import { resumeStream, textOf, type WireEvent } from '../support/wire/stream.ts'
import { createServiceAccount } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'
import { send } from '../support/wire/wire.ts'

/** How soon a stream ends whose caller may not go on. */
const PROMISED_MS = 5_000
const TERMINAL = new Set(['message.end', 'message.cancelled', 'message.error'])

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

function endOf(events: readonly WireEvent[]) {
  expect(events.filter(({ name }) => TERMINAL.has(name))).toEqual([events.at(-1)])
  return events.at(-1)!
}

type Caller = { client: Client; end: (elsewhere: TestServer) => Promise<unknown> }
const WAYS: Record<string, { code: string; caller: () => Promise<Caller> }> = {
  'session is ended': {
    code: 'token-invalid',
    async caller() {
      const client = await first.createUser()
      const body = { scope: 'all' as const }
      return {
        client,
        end: (server) => instances.on(server, client).expect(204, 'logOut', { body }),
      }
    },
  },
  'account is disabled': {
    code: 'account-disabled',
    async caller() {
      const client = await first.createUser()
      const userId = (await client.expect(200, 'getProfile')).body.id
      return {
        client,
        async end(server) {
          await (
            await server.admin()
          ).expect(200, 'changeUser', { path: { userId }, body: { disabled: true } })
        },
      }
    },
  },
  'API key is revoked': {
    code: 'token-invalid',
    async caller() {
      const client = await createServiceAccount(first, ['chat:write', 'conversations:read'])
      const { serviceAccountId, apiKeyId } = client
      return {
        client,
        async end(server) {
          const path = { serviceAccountId, apiKeyId }
          await (await server.admin()).expect(204, 'revokeApiKey', { path })
        },
      }
    },
  },
}

describe.each(Object.entries(WAYS))('a caller whose %s in mid-stream', (_, { code, caller }) => {
  test.each([
    ['here', 'continue', 'completed'],
    ['on another instance', 'continue', 'completed'],
    ['on another instance', 'cancel', 'cancelled'],
  ] as const)(
    '%s hears it within 5 s, once; with onDisconnect %s the answer is %s',
    async (where, onDisconnect, status) => {
      const { client, end } = await caller()
      const { turn, stream, start } = await openManualStream(engine, client, { onDisconnect })
      await end(where === 'here' ? first : second)
      const since = first.clock.now().getTime()
      const events = await advanceUntilSettled([first.clock], stream.rest())
      expect(first.clock.now().getTime() - since).toBeLessThanOrEqual(PROMISED_MS)

      const last = endOf(events)
      expect(last.event).toMatchObject({ type: 'message.error', problem: { code } })
      // Whoever comes back with another credential goes on behind what was seen.
      expect(last.id).toBe(`${start.generationId}:2`)

      if (onDisconnect === 'continue') {
        expect(turn.signal.aborted).toBe(false)
        turn.end()
      }
      const { prisma } = instances.testStore.database
      const find = { where: { id: start.generationId } }
      const ended = await until(async () => {
        const generation = await prisma.generation.findUniqueOrThrow(find)
        return generation.status !== 'running' && generation
      })
      expect(ended.status).toBe(status)
      expect(turn.signal.aborted).toBe(onDisconnect === 'cancel')
    },
  )
})

test('a conversation that is deleted on another instance ends its streams within 5 s', async () => {
  const alice = await first.createUser()
  const { turn, stream, start } = await openManualStream(engine, alice)
  await instances.on(second, alice).expect(204, 'deleteConversation', { path: start })
  const since = first.clock.now().getTime()

  const events = await advanceUntilSettled([first.clock], stream.rest())

  expect(first.clock.now().getTime() - since).toBeLessThanOrEqual(PROMISED_MS)
  expect(endOf(events).event).toMatchObject({ type: 'message.cancelled', usage: {} })
  expect(turn.signal.aborted).toBe(true)
})

describe('the bytes of a stream', () => {
  const TEXT = [
    'a\r\nb',
    '\u2028\u2029\u0085',
    ': keepalive\n\n',
    'data: x\n\nevent: y\r\r',
    '🙂한',
  ]

  test('have no line end but their own, whichever a client knows, and carry the kept text', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice, { firstWords: '\r' })
    for (const text of TEXT) turn.say(text)
    turn.end()
    await stream.rest()
    const url = alice.urlOf('resumeStream', { path: start })
    const { text } = await send(url, { headers: alice.credentials })
    expect(text).not.toMatch(/[\r\v\f\u0085\u2028\u2029]/)
    for (const line of text.split('\n')) expect(line).toMatch(/^$|^(event|id|data): ./)

    const events = await (await resumeStream(alice, start.generationId)).rest()
    const { body } = await alice.expect(200, 'getConversation', { path: start })
    expect(body.messages.at(-1)!.content).toBe(`\r${TEXT.join('')}`)
    expect(textOf(events)).toBe(body.messages.at(-1)!.content)
  })

  test('have a comment every 15 s while nothing is said, on every instance', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const read = (client: Client) =>
      send(client.urlOf('resumeStream', { path: start }), { headers: client.credentials })
    const texts = [read(alice), read(instances.on(second, alice))]
    const open = first.clock.pending
    await until(() => first.clock.pending >= open + 2)
    for (let elapsed = 0; elapsed < 32; elapsed += 1) {
      await first.clock.advance(1_000)
      // The lease is renewed between.
      await alice.expect(200, 'getGeneration', { path: start })
    }
    turn.end()

    await stream.rest()

    for (const { text } of await advanceUntilSettled([first.clock], Promise.all(texts))) {
      expect(text.match(/^: keepalive$/gm)?.length).toBeGreaterThanOrEqual(2)
    }
  })
})

type Way = 'completed' | 'told' | 'cancelled' | 'failed' | 'interrupted' | 'deleted'

/** One answer that ends this way; what it is shown to have taken. */
async function endBy(way: Way, alice: Client, servers: readonly TestServer[]) {
  const [making, other] = servers as [TestServer, TestServer]
  const { turn, stream, start } = await openManualStream(engine, alice)
  if (way === 'completed') turn.end()
  if (way === 'told') {
    turn.end({ inputTokens: 7, outputTokens: 11, totalTokens: 18, source: 'upstream' })
  }
  if (way === 'failed') turn.fail(new EngineFailure('upstream-failed', ''))
  if (way === 'cancelled') await alice.expect(200, 'cancelGeneration', { path: start })
  if (way === 'deleted') await alice.expect(204, 'deleteConversation', { path: start })
  if (way === 'interrupted') {
    await making.parley.deps.store.generations.interruptAbandoned({
      now: other.clock.now(),
      all: true,
    })
    turn.end()
  }
  const end = endOf(await stream.rest()).event
  const message = 'message' in end ? end.message : undefined
  const usage = 'usage' in end ? end.usage : message?.usage
  // On every terminal event; what an interrupted one took nobody knows.
  expect(usage === undefined).toBe(way === 'interrupted')
  return { usage, answered: way === 'interrupted' ? 0 : 1 }
}

test('GET /users/usage is the sum over all that was answered, however it ended', async () => {
  const ways: Way[] = ['completed', 'told', 'cancelled', 'failed', 'interrupted', 'deleted']
  const clock = new TestClock()
  const own = await startInstances(() => [
    { clock, replacements: { deps: { engine } } },
    { clock, replacements: { deps: { engine } } },
  ])
  const run = fc.asyncProperty(
    fc.array(fc.constantFrom(...ways), { minLength: 1, maxLength: 8 }),
    async (mix) => {
      const alice = await own.servers[0]!.createUser()
      const sums = {
        requests: mix.length,
        messages: 0,
        inputTokens: 0,
        outputTokens: 0,
        totalTokens: 0,
      }
      for (const way of mix) {
        const { usage, answered } = await endBy(way, alice, own.servers)
        sums.messages += answered
        sums.inputTokens += usage?.inputTokens ?? 0
        sums.outputTokens += usage?.outputTokens ?? 0
        sums.totalTokens += usage?.totalTokens ?? 0
      }
      await clock.advance(1)
      const { totals, buckets } = (await alice.expect(200, 'getUsage')).body
      expect(totals).toEqual(sums)
      expect(buckets.reduce((sum, bucket) => sum + bucket.totalTokens, 0)).toBe(sums.totalTokens)
      const there = createClient(own.servers[1]!.url, alice.identity)
      expect((await there.expect(200, 'getUsage')).body.totals).toEqual(sums)
    },
  )
  await fc.assert(run, { numRuns: 20 })
  await own.close()
}, 120_000)
