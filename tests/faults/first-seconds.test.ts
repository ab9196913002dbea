import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { newServerSecret } from '../../src/ports/keys/server-secret.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { openEmptyServerDatabase } from '../support/database/database.ts'
import { openWorkplace, type ParleyProcess, type Workplace } from '../support/process/process.ts'
import { watchProcess } from '../support/process/process-watch.ts'

const TIMEOUT_MS = 120_000
const STARTS = 2
/** Enough calls to last as long as the schemas are compiled after the start. */
const ROUNDS = 15
/** Each needs its own connection to the store of the rate limits. */
const CONCURRENT = 3

let workplace: Workplace
beforeEach(async () => {
  workplace = await openWorkplace()
})
afterEach(() => workplace.close())

/** Sign-in fails first on a slow server, since its rate limits must be counted in time. */
async function expectSignInFromFirstCall(parley: ParleyProcess): Promise<void> {
  const watched = await watchProcess(parley)
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all(Array.from({ length: CONCURRENT }, () => parley.logIn()))
  }

  const { failures, shareInTime } = await watched()

  expect(failures).toEqual([])
  expect(shareInTime).toBeGreaterThan(0.9)
  expect(parley.stdout()).not.toContain('limit store unavailable')

  parley.signal('SIGKILL')
  await parley.exited
}

describe('a server that has just started', () => {
  test(
    'signs users in from the first call on',
    async () => {
      await expectSignInFromFirstCall(await workplace.start())
    },
    TIMEOUT_MS,
  )

  // Every count is a round trip here, which a busy process may take for lost.
  test.skipIf('snapshot' in inject('migrated'))(
    'signs users in from the first call on when PostgreSQL counts the rate limits',
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
        await expectSignInFromFirstCall(await workplace.start(env))
      }

      await database.drop()
    },
    TIMEOUT_MS,
  )
})
