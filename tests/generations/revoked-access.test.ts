import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { type Instances, startInstances } from '../support/process/instances.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import type { TestServer } from '../support/server.ts'
import { createServiceAccount } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'
import { terminalEventOf } from './terminal-events.given.ts'

/** The longest time between the loss of access and the end of the stream. */
const LONGEST_MS = 5_000

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

type Caller = { client: Client; revoke: (elsewhere: TestServer) => Promise<unknown> }
const REVOCATIONS: Record<string, { code: string; caller: () => Promise<Caller> }> = {
  'session is ended': {
    code: 'token-invalid',
    async caller() {
      const client = await first.createUser()
      const body = { scope: 'all' as const }
      return {
        client,
        revoke: (server) => instances.on(server, client).expect(204, 'logOut', { body }),
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
        async revoke(server) {
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
        async revoke(server) {
          const path = { serviceAccountId, apiKeyId }
          await (await server.admin()).expect(204, 'revokeApiKey', { path })
        },
      }
    },
  },
}

describe.each(Object.entries(REVOCATIONS))('a stream whose caller’s %s', (_, { code, caller }) => {
  test.each([
    ['on the same instance', 'continue', 'completed'],
    ['on another instance', 'continue', 'completed'],
    ['on another instance', 'cancel', 'cancelled'],
  ] as const)(
    'ends within 5 s when that happens %s; with onDisconnect %s the answer is %s',
    async (where, onDisconnect, status) => {
      const { client, revoke } = await caller()
      const { turn, stream, start } = await openManualStream(engine, client, { onDisconnect })

      await revoke(where === 'on the same instance' ? first : second)
      const since = first.clock.now().getTime()
      const events = await advanceUntilSettled([first.clock], stream.rest())

      expect(first.clock.now().getTime() - since).toBeLessThanOrEqual(LONGEST_MS)

      const last = terminalEventOf(events)
      expect(last.event).toMatchObject({ type: 'message.error', problem: { code } })
      // A caller that resumes with another credential continues after what it has seen.
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

describe('a stream whose conversation is deleted on another instance', () => {
  test('ends within 5 s', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)

    await instances.on(second, alice).expect(204, 'deleteConversation', { path: start })
    const since = first.clock.now().getTime()
    const events = await advanceUntilSettled([first.clock], stream.rest())

    expect(first.clock.now().getTime() - since).toBeLessThanOrEqual(LONGEST_MS)
    expect(terminalEventOf(events).event).toMatchObject({ type: 'message.cancelled', usage: {} })
    expect(turn.signal.aborted).toBe(true)
  })
})
