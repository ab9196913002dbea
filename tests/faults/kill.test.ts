import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newServerSecret } from '../../src/ports/keys/server-secret.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { type Client, createClient } from '../support/client.ts'
import { openWorkplace, type Workplace } from '../support/process/process.ts'
import { createDatabase, dropDatabase } from '../support/database/server-database.ts'
import { openStream, textOf } from '../support/wire/stream.ts'
import { messageIds } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'

const serverUrl = process.env['TEST_DATABASE_URL']
const databases = ['embedded', ...(serverUrl === undefined ? [] : ['PostgreSQL'])]
/** At once when embedded; with PostgreSQL after the lease has expired and a sweep has run. */
const INTERRUPTED_WITHIN_MS = { embedded: 0, PostgreSQL: 45_000 }
/** Text is saved every second, so one save has begun and ended by then. */
const SAVED_AFTER_SECONDS = 3

let workplace: Workplace
let upstream: TestUpstream
let env: Record<string, string>
const cleanups: (() => Promise<void>)[] = []
beforeEach(async () => {
  workplace = await openWorkplace()
  upstream = await startUpstream()
  env = { CHAT_UPSTREAM_URL: upstream.url }
})
afterEach(async () => {
  await workplace.close()
  await upstream.close()
  for (const cleanUp of cleanups.splice(0)) await cleanUp()
})

async function useDatabase(kind: string): Promise<void> {
  if (kind === 'embedded' || serverUrl === undefined) return
  const name = `parley_kill_${randomUUID()}`
  cleanups.push(() => dropDatabase(serverUrl, name))
  const keysFile = join(workplace.directory, 'keys.json')
  await writeFile(keysFile, await newSigningKeysText(), { mode: 0o600 })
  Object.assign(env, {
    DATABASE_URL: await createDatabase(serverUrl, name),
    SIGNING_KEYS_FILE: keysFile,
    SERVER_SECRET: newServerSecret(),
  })
}

async function messagesOf(client: Client, conversationId: string) {
  const { body } = await client.expect(200, 'getConversation', { path: { conversationId } })
  return body.messages
}

/** Opens a stream that stalls after three words. */
async function openStalledStream(client: Client, conversationId: string) {
  upstream.script = { words: ['one ', 'two ', 'three ', 'four'], stallAfter: 3 }
  const stream = await openStream(client, { message: 'Count', conversationId })
  upstream.script = {}
  const start = (await stream.next())!.event
  if (start.type !== 'message.start') throw new Error(start.type)
  const words = [(await stream.next())!, (await stream.next())!, (await stream.next())!]
  expect(textOf(words)).toBe('one two three ')
  return { start, stream }
}

async function uptimeSeconds(client: Client): Promise<number> {
  return (await client.expect(200, 'getStatus')).body.uptimeSeconds
}

/** Sends messages until the server is killed; adds the ids of acknowledged ones to the array. */
async function chatUntilKilled(client: Client, acknowledged: string[]): Promise<string> {
  let conversationId: string | undefined
  try {
    for (let i = 0; ; i += 1) {
      const body = {
        message: `message ${i}`,
        ...(conversationId !== undefined && { conversationId }),
      }
      const reply = await client.expect(200, 'sendMessage', { body })
      ;({ conversationId } = reply.body)
      acknowledged.push(reply.body.userMessage.id, reply.body.message.id)
    }
  } catch {
    return conversationId!
  }
}

describe.each(databases)('a server that is killed while it serves (%s)', (kind) => {
  test('keeps what was acknowledged, and the saved text of answers in progress', async () => {
    await useDatabase(kind)
    const first = await workplace.start(env)
    const [alice, loggedOutAlice] = [await first.logIn(), await first.logIn()]
    const sent = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const { conversationId } = sent.body
    const { start, stream } = await openStalledStream(alice, conversationId)
    const acknowledged: string[] = []
    const chatting = chatUntilKilled(alice, acknowledged)
    const since = await uptimeSeconds(alice)
    const isSaved = async () => (await uptimeSeconds(alice)) >= since + SAVED_AFTER_SECONDS
    await until(isSaved, 30_000)
    await until(() => acknowledged.length >= 4)
    await loggedOutAlice.expect(204, 'logOut', { body: { scope: 'current' } })

    first.signal('SIGKILL')
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' })
    await expect(stream.rest()).rejects.toThrow()
    const chattedIn = await chatting
    const second = await workplace.start(env)
    const restartedAlice = createClient(second.url, alice.identity)

    const interrupted = await until(
      async () => {
        const last = (await messagesOf(restartedAlice, conversationId)).at(-1)!
        return last.status !== 'inProgress' && last
      },
      INTERRUPTED_WITHIN_MS[kind as keyof typeof INTERRUPTED_WITHIN_MS],
    )
    expect(interrupted).toMatchObject({ content: 'one two three ', status: 'interrupted' })
    expect(await messagesOf(restartedAlice, conversationId)).toEqual([
      sent.body.userMessage,
      sent.body.message,
      start.userMessage,
      expect.objectContaining({ id: start.messageId }),
    ])

    // One more exchange may have been stored without being acknowledged.
    const storedIds = await messageIds(restartedAlice, chattedIn)
    expect(storedIds.slice(0, acknowledged.length)).toEqual(acknowledged)
    expect(storedIds.length - acknowledged.length).toBeLessThanOrEqual(2)
    expect(new Set(storedIds).size).toBe(storedIds.length)

    const body = { message: 'Go on', conversationId }
    const next = await restartedAlice.expect(200, 'sendMessage', { body })
    expect(next.body.message.status).toBe('complete')

    const { refreshToken } = alice.identity
    const refreshed = await restartedAlice.expect(200, 'refreshTokens', { body: { refreshToken } })
    await restartedAlice.with(refreshed.body).expect(200, 'getProfile')

    const revoked = createClient(second.url, loggedOutAlice.identity)
    await revoked.refused('token-invalid', 'getProfile')
    await revoked.refused('token-invalid', 'refreshTokens', {
      body: { refreshToken: loggedOutAlice.identity.refreshToken },
    })
  }, 120_000)
})
