import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newServerSecret } from '../../src/ports/keys/server-secret.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { type Client, createClient } from '../support/client.ts'
import { openWorkplace, type ParleyProcess, type Workplace } from '../support/process/process.ts'
import { messageIds } from '../support/resources.ts'
import { createDatabase, dropDatabase } from '../support/database/server-database.ts'
import { until } from '../support/clock/until.ts'

const serverUrl = process.env['TEST_DATABASE_URL']
const KILLS = 30
const WRITERS = 8
/** The longest time between the start of an instance and its kill. */
const LONGEST_LIFE_MS = 2_000
/** The pause of a writer between two attempts. */
const RETRY_MS = 50
/** Random in each run: the guarantee holds for every moment. */
const lifetimeMs = () => Math.random() * LONGEST_LIFE_MS

let workplace: Workplace
let database: string
let env: Record<string, string>

/** The messages that were acknowledged to one writer, in order. */
type Acknowledged = { conversationId: string; ids: string[]; turns: number }

describe.skipIf(serverUrl === undefined)('two instances that are killed 30 times', () => {
  beforeEach(async () => {
    workplace = await openWorkplace()
    database = `parley_kills_${randomUUID()}`
    const keysFile = join(workplace.directory, 'keys.json')
    await writeFile(keysFile, await newSigningKeysText(), { mode: 0o600 })
    env = {
      DATABASE_URL: await createDatabase(serverUrl!, database),
      SIGNING_KEYS_FILE: keysFile,
      SERVER_SECRET: newServerSecret(),
    }
  })
  afterEach(async () => {
    await workplace.close()
    await dropDatabase(serverUrl!, database)
  })

  test('store each acknowledged message exactly once, in order, with its usage', async () => {
    const instances = [await workplace.start(env), await workplace.start(env)]
    // A busy machine may take its rate limits for unavailable, and then refuses sign-in.
    const admin = await until(() => instances[0]!.logIn().catch(() => undefined), 60_000)

    const stopWriting = new AbortController()
    const writers = Array.from({ length: WRITERS }, () =>
      writeMessages(instances, admin, stopWriting.signal),
    )
    await Promise.all(instances.map((_, place) => killRepeatedly(instances, place)))
    stopWriting.abort()
    const acknowledged = await Promise.all(writers)
    const reader = createClient(instances[0]!.url, admin.identity)

    for (const { conversationId, ids } of acknowledged) {
      expect(await messageIds(reader, conversationId)).toEqual(ids)
    }
    const { totals } = (await reader.expect(200, 'getUsage')).body
    const turns = acknowledged.reduce((sum, { turns: count }) => sum + count, 0)
    expect(turns).toBeGreaterThan(WRITERS)
    expect(totals).toMatchObject({ requests: turns })
  }, 300_000)
})

/** Independent for each instance, so that at times neither is running. */
async function killRepeatedly(instances: ParleyProcess[], place: number): Promise<void> {
  for (let kill = 0; kill < KILLS / instances.length; kill += 1) {
    await pause(lifetimeMs())
    const instance = instances[place]!
    instance.signal('SIGKILL')
    await instance.exited
    instances[place] = await workplace.start(env)
  }
}

/** Sends one message after the other, retrying each under its own key until it is acknowledged. */
async function writeMessages(
  instances: ParleyProcess[],
  author: Client,
  stopWriting: AbortSignal,
): Promise<Acknowledged> {
  const acknowledged: Acknowledged = { conversationId: '', ids: [], turns: 0 }
  for (let turn = 0; !stopWriting.aborted; turn += 1) {
    const headers = { 'Idempotency-Key': randomUUID() }
    const body = {
      message: `message ${String(turn)}`,
      ...(turn > 0 && { conversationId: acknowledged.conversationId }),
    }
    const reply = await retryUntilAcknowledged(instances, author, { headers, body })
    acknowledged.conversationId = reply.conversationId
    acknowledged.ids.push(reply.userMessage.id, reply.message.id)
    acknowledged.turns += 1
  }
  return acknowledged
}

/** Repeats the call at random instances until it succeeds. */
async function retryUntilAcknowledged(
  instances: ParleyProcess[],
  { identity }: Client,
  request: { headers: Record<string, string>; body: { message: string } },
) {
  for (let attempt = 0; ; attempt += 1) {
    const { url } = instances[Math.floor(Math.random() * instances.length)]!
    const call = createClient(url, identity).call('sendMessage', request)
    const response = await call.catch(() => undefined)
    if (response?.status === 200) return response.body
    await pause(RETRY_MS)
  }
}
