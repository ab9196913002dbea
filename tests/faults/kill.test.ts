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
/** Embedded at once; on a server when the lease is over and the next sweep comes. */
const FREE_AFTER_MS = { embedded: 0, PostgreSQL: 45_000 }
/** Text is saved every second; by then a turn has begun and ended. */
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

/** A stream that has said three words and goes no further. */
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

/** Says one thing after the other until the server is gone; fills `acknowledged` on the way. */
async function talkUntilTheEnd(client: Client, acknowledged: string[]): Promise<string> {
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

describe.each(databases)('kill -9 in the middle of everything (%s)', (kind) => {
  test('loses nothing that was acknowledged, and keeps the text of what was running', async () => {
    await useDatabase(kind)
    const first = await workplace.start(env)
    const [alice, leaving] = [await first.logIn(), await first.logIn()]
    const said = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const { conversationId } = said.body
    const { start, stream } = await openStalledStream(alice, conversationId)
    const acknowledged: string[] = []
    const talking = talkUntilTheEnd(alice, acknowledged)
    const since = await uptimeSeconds(alice)
    const saved = async () => (await uptimeSeconds(alice)) >= since + SAVED_AFTER_SECONDS
    await until(saved, 30_000)
    await until(() => acknowledged.length >= 4)
    await leaving.expect(204, 'logOut', { body: { scope: 'current' } })
    first.signal('SIGKILL')
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' })
    await expect(stream.rest()).rejects.toThrow()
    const talkedIn = await talking

    const second = await workplace.start(env)
    const again = createClient(second.url, alice.identity)
    const interrupted = await until(
      async () => {
        const last = (await messagesOf(again, conversationId)).at(-1)!
        return last.status !== 'inProgress' && last
      },
      FREE_AFTER_MS[kind as keyof typeof FREE_AFTER_MS],
    )
    expect(interrupted).toMatchObject({ content: 'one two three ', status: 'interrupted' })
    expect(await messagesOf(again, conversationId)).toEqual([
      said.body.userMessage,
      said.body.message,
      start.userMessage,
      expect.objectContaining({ id: start.messageId }),
    ])

    // One more question may have been written whose answer nobody was told of.
    const kept = await messageIds(again, talkedIn)
    expect(kept.slice(0, acknowledged.length)).toEqual(acknowledged)
    expect(kept.length - acknowledged.length).toBeLessThanOrEqual(2)
    expect(new Set(kept).size).toBe(kept.length)

    const body = { message: 'Go on', conversationId }
    const next = await again.expect(200, 'sendMessage', { body })
    expect(next.body.message.status).toBe('complete')
    const { refreshToken } = alice.identity
    const fresh = await again.expect(200, 'refreshTokens', { body: { refreshToken } })
    await again.with(fresh.body).expect(200, 'getProfile')
    const gone = createClient(second.url, leaving.identity)
    await gone.refused('token-invalid', 'getProfile')
    await gone.refused('token-invalid', 'refreshTokens', {
      body: { refreshToken: leaving.identity.refreshToken },
    })
  }, 120_000)
})
