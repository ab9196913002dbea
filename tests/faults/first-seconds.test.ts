import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { newServerSecret } from '../../src/ports/keys/server-secret.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { openEmptyServerDatabase } from '../support/database/database.ts'
import { openWorkplace, type ParleyProcess, type Workplace } from '../support/process/process.ts'
import { watchProcess } from '../support/process/process-watch.ts'

const PATIENCE_MS = 120_000
const STARTS = 2
/** What is compiled after the start takes some seconds: so many calls see all of it. */
const ROUNDS = 15
/** Each needs a connection of its own to where the limits are counted. */
const AT_ONCE = 3

let workplace: Workplace
beforeEach(async () => {
  workplace = await openWorkplace()
})
afterEach(() => workplace.close())

/** Sign-in is 503 where the limits cannot be counted in time: it hears of everything that is slow. */
async function signsInFromTheFirstCallOn(parley: ParleyProcess): Promise<void> {
  const watched = await watchProcess(parley)
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => parley.logIn()))
  }
  const { failures, shareInTime } = await watched()
  expect(failures).toEqual([])
  expect(shareInTime).toBeGreaterThan(0.9)
  expect(parley.stdout()).not.toContain('limit store unavailable')
  parley.signal('SIGKILL')
  await parley.exited
}

test(
  'a server that has just started is not too busy with itself to sign anybody in',
  async () => {
    await signsInFromTheFirstCallOn(await workplace.start())
  },
  PATIENCE_MS,
)

// Where each round trip is one that a busy process may take for lost.
test.skipIf('snapshot' in inject('migrated'))(
  'nor on PostgreSQL, where the limits are counted there too',
  async () => {
    const database = await openEmptyServerDatabase()
    const keysFile = join(workplace.directory, 'keys.json')
    await writeFile(keysFile, await newSigningKeysText(), { mode: 0o600 })
    const env = {
      DATABASE_URL: database.url,
      SIGNING_KEYS_FILE: keysFile,
      SERVER_SECRET: newServerSecret(),
    }
    for (let start = 0; start < STARTS; start += 1) {
      await signsInFromTheFirstCallOn(await workplace.start(env))
    }
    await database.drop()
  },
  PATIENCE_MS,
)
