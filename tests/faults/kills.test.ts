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
/** An instance is left alone for so long before it is killed, at most. */
const LONGEST_LIFE_MS = 2_000
/** A writer asks again so soon. */
const AGAIN_MS = 50
/** The moments differ in each run; what is promised holds for all. */
const momentOfKill = () => Math.random() * LONGEST_LIFE_MS

let workplace: Workplace
let database: string
let env: Record<string, string>

/** What one writer was told, in the order it was told. */
type Said = { conversationId: string; ids: string[]; turns: number }

describe.skipIf(serverUrl === undefined)('two instances, killed 30 times', () => {
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

  test('keep each message that was acknowledged exactly once and in order, and its usage', async () => {
    const instances = [await workplace.start(env), await workplace.start(env)]
    // A machine with much to do may take its limits for away, and nobody signs in without them.
    const admin = await until(() => instances[0]!.logIn().catch(() => undefined), 60_000)
    const over = new AbortController()
    const writers = Array.from({ length: WRITERS }, () => write(instances, admin, over.signal))
    await Promise.all(instances.map((_, place) => killAgainAndAgain(instances, place)))
    over.abort()
    const said = await Promise.all(writers)

    const reader = createClient(instances[0]!.url, admin.identity)
    for (const { conversationId, ids } of said) {
      expect(await messageIds(reader, conversationId)).toEqual(ids)
    }
    const { totals } = (await reader.expect(200, 'getUsage')).body
    const turns = said.reduce((sum, one) => sum + one.turns, 0)
    expect(turns).toBeGreaterThan(WRITERS)
    expect(totals).toMatchObject({ requests: turns })
  }, 300_000)
})

/** Neither knows of the other's: now and then nobody is there at all. */
async function killAgainAndAgain(instances: ParleyProcess[], place: number): Promise<void> {
  for (let kill = 0; kill < KILLS / instances.length; kill += 1) {
    await pause(momentOfKill())
    const instance = instances[place]!
    instance.signal('SIGKILL')
    await instance.exited
    instances[place] = await workplace.start(env)
  }
}

/** Says one thing after the other, each under a key of its own until it is told that it is kept. */
async function write(instances: ParleyProcess[], who: Client, over: AbortSignal): Promise<Said> {
  const said: Said = { conversationId: '', ids: [], turns: 0 }
  for (let turn = 0; !over.aborted; turn += 1) {
    const headers = { 'Idempotency-Key': randomUUID() }
    const body = {
      message: `message ${String(turn)}`,
      ...(turn > 0 && { conversationId: said.conversationId }),
    }
    const reply = await untilKept(instances, who, { headers, body })
    said.conversationId = reply.conversationId
    said.ids.push(reply.userMessage.id, reply.message.id)
    said.turns += 1
  }
  return said
}

/** Asks one instance after the other until one answers. */
async function untilKept(
  instances: ParleyProcess[],
  { identity }: Client,
  request: { headers: Record<string, string>; body: { message: string } },
) {
  for (let attempt = 0; ; attempt += 1) {
    const { url } = instances[Math.floor(Math.random() * instances.length)]!
    const call = createClient(url, identity).call('sendMessage', request)
    const answer = await call.catch(() => undefined)
    if (answer?.status === 200) return answer.body
    await pause(AGAIN_MS)
  }
}
