import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newServerSecret } from '../../src/ports/keys/server-secret.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import type { Client } from '../support/client.ts'
import {
  hasPostgres,
  type PostgresServer,
  startPostgres,
} from '../support/database/postgres-server.ts'
import { openWorkplace, type ParleyProcess, type Workplace } from '../support/process/process.ts'
import { createDatabase } from '../support/database/server-database.ts'
import { openStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'

/** No call hangs: 2 s for a connection, 6 s for a statement without an answer, and a margin. */
const LONGEST_CALL_MS = 15_000
const RECOVERY_MS = 10_000
/** The end of an answer is written again every 5 s; each attempt may take as long as a call. */
const LONGEST_WAIT_MS = 20_000
const ROUNDS = 2

let workplace: Workplace
let upstream: TestUpstream
let postgres: PostgresServer
let parley: ParleyProcess
let alice: Client

describe.skipIf(!hasPostgres)('while PostgreSQL is unavailable', () => {
  beforeEach(async () => {
    workplace = await openWorkplace()
    upstream = await startUpstream()
    postgres = await startPostgres()
    const keysFile = join(workplace.directory, 'keys.json')
    await writeFile(keysFile, await newSigningKeysText(), { mode: 0o600 })
    parley = await workplace.start({
      DATABASE_URL: await createDatabase(postgres.url, 'parley'),
      SIGNING_KEYS_FILE: keysFile,
      SERVER_SECRET: newServerSecret(),
      CHAT_UPSTREAM_URL: upstream.url,
    })
    alice = await parley.logIn()
  }, 120_000)
  afterEach(async () => {
    await workplace.close()
    await upstream.close()
    await postgres.close()
  })

  test.each([
    ['killed', { interrupt: () => postgres.kill(), restore: () => postgres.start() }],
    [
      'stopped',
      { interrupt: () => postgres.signal('SIGSTOP'), restore: () => postgres.signal('SIGCONT') },
    ],
  ])(
    'calls are 503 in bounded time, answers in progress wait and lose nothing, and the server recovers without a restart (%s)',
    async (_how, { interrupt, restore }) => {
      const first = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
      const { conversationId } = first.body
      const { startedAt } = (await alice.expect(200, 'getStatus')).body
      upstream.script = { words: ['one ', 'two'], stallAfter: 1 }
      const stream = await openStream(alice, { message: 'Count' })
      expect((await stream.next())!.name).toBe('message.start')
      upstream.script = {}
      // Some of these calls are in progress when the outage begins.
      const inProgress = callAll(conversationId)
      // An answer that has begun ends only after its end is stored.
      const chat = alice.call('sendMessage', { body: { message: 'Hi' } })

      await interrupt()
      upstream.release()
      const ending = stream.rest()
      for (const { status } of await Promise.all(inProgress)) {
        expect([200, 201, 503]).toContain(status)
      }

      for (let round = 0; round < ROUNDS; round += 1) {
        const answers = await Promise.all([
          ...callAll(conversationId),
          ...callAll(conversationId),
          labelled('sendMessage', alice.call('sendMessage', { body: { message: 'Hi' } })),
        ])
        for (const answer of answers) {
          expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } })
          expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
        }
        await alice.expect(200, 'getHealth')
        const { body } = await alice.expect(503, 'getReadiness')
        expect(body).toMatchObject({
          checks: expect.arrayContaining([{ name: 'database', status: 'down' }]),
        })
      }

      await restore()
      await until(async () => (await alice.call('getReadiness')).status === 200, RECOVERY_MS)
      // The limit store checks the database by itself, once a second.
      await until(async () => {
        const answers = await Promise.all(callAll(conversationId))
        return answers.every(({ status }) => status < 300)
      }, RECOVERY_MS)

      expect((await alice.expect(200, 'getStatus')).body.startedAt).toBe(startedAt)
      expect((await within(LONGEST_WAIT_MS, ending)).at(-1)).toMatchObject({
        name: 'message.end',
        event: { message: { content: 'one two', status: 'complete' } },
      })
      expect([200, 503]).toContain((await within(LONGEST_WAIT_MS, chat)).status)
      const { body } = await alice.expect(200, 'getConversation', { path: { conversationId } })
      expect(body.messages.slice(0, 2)).toEqual([first.body.userMessage, first.body.message])
    },
    300_000,
  )
})

/** Makes concurrent calls of many kinds: reading, writing, in transactions and signing in. */
function callAll(conversationId: string) {
  const path = { conversationId }
  const { email, password } = alice.identity
  const headers = { 'Idempotency-Key': randomUUID() }
  return [
    labelled('listConversations', alice.call('listConversations')),
    labelled('getConversation', alice.call('getConversation', { path })),
    labelled(
      'createConversation',
      alice.call('createConversation', { body: { title: 'New' }, headers }),
    ),
    labelled('getUsage', alice.call('getUsage')),
    labelled('getProfile', alice.call('getProfile')),
    labelled('logIn', alice.call('logIn', { body: { email, password } })),
  ]
}

type CallResult = { status: number; headers: Record<string, string>; body: unknown }

async function labelled(operationId: string, call: Promise<CallResult>) {
  const { status, headers, body } = await within(LONGEST_CALL_MS, call)
  return { operationId, status, headers, body }
}

/** @throws when the work takes longer */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let isSettled = false
  const settle = () => {
    isSettled = true
  }
  work.then(settle, settle)
  await until(() => isSettled, ms)
  return work
}
