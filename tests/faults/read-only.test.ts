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
import {
  ADMIN,
  openWorkplace,
  type ParleyProcess,
  type Workplace,
} from '../support/process/process.ts'
import { administer, createDatabase, queryServer } from '../support/database/server-database.ts'
import { until } from '../support/clock/until.ts'
import { openFaultyProxy, type FaultyProxy } from '../support/wire/faulty-proxy.ts'

const RECOVERY_MS = 10_000

let workplace: Workplace
let postgres: PostgresServer
let wire: FaultyProxy
let env: Record<string, string>
let parley: ParleyProcess
let alice: Client

describe.skipIf(!hasPostgres)('while the database is read-only', () => {
  beforeEach(async () => {
    workplace = await openWorkplace()
    postgres = await startPostgres()
    const databaseUrl = await createDatabase(postgres.url, 'parley')
    wire = await openFaultyProxy(databaseUrl)
    const keysFile = join(workplace.directory, 'keys.json')
    await writeFile(keysFile, await newSigningKeysText(), { mode: 0o600 })
    env = {
      DATABASE_URL: wire.url,
      SIGNING_KEYS_FILE: keysFile,
      SERVER_SECRET: newServerSecret(),
    }
    parley = await workplace.start(env)
    alice = await parley.logIn()
  }, 120_000)
  afterEach(async () => {
    await workplace.close()
    wire.close()
    await postgres.close()
  })

  const callAll = () => [
    alice.call('logIn', { body: ADMIN }),
    alice.call('sendMessage', { body: { message: 'Hi' } }),
    alice.call('listConversations'),
    alice.call('getProfile'),
  ]

  /** The server is not ready and answers no call, not even from rows that may be outdated. */
  const expectUnavailable = async () => {
    await until(async () => {
      const { status, body } = await alice.call('getReadiness')
      expect(status).toBe(503)
      return JSON.stringify(body).includes('{"name":"database","status":"down"}')
    })
    for (const answer of await Promise.all([...callAll(), ...callAll()])) {
      expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable', retryable: true } })
    }
  }

  const expectRecovery = async () => {
    await until(async () => (await alice.call('getReadiness')).status === 200, RECOVERY_MS)
    await until(async () => {
      const answers = await Promise.all(callAll())
      return answers.every(({ status }) => status === 200)
    }, RECOVERY_MS)
  }

  test('after a failover to a standby, the server is not ready and calls are 503 until the standby is promoted', async () => {
    const standby = await postgres.standby()
    try {
      const sent = await alice.expect(200, 'sendMessage', { body: { message: 'Kept' } })
      const [position] = await queryServer(postgres.url, 'SELECT pg_current_wal_lsn()::text AS at')
      const hasReplayed = `SELECT pg_last_wal_replay_lsn() >= '${String(position!['at'])}' AS it`
      await until(async () => (await queryServer(standby.url, hasReplayed))[0]!['it'] === true)

      await postgres.kill()
      wire.redirect(standby.url)
      await expectUnavailable()

      await administer(standby.url, 'SELECT pg_promote()')
      await expectRecovery()
      const path = { conversationId: sent.body.conversationId }
      await alice.expect(200, 'getConversation', { path })
    } finally {
      await standby.close()
    }
  }, 120_000)

  test('when PostgreSQL turns read-only and back, the server is not ready, does not start, and recovers', async () => {
    const setReadOnly = async (value: 'on' | 'off') => {
      await administer(postgres.url, `ALTER SYSTEM SET default_transaction_read_only = ${value}`)
      await administer(postgres.url, 'SELECT pg_reload_conf()')
    }

    await setReadOnly('on')
    // A connection from before finds out at its next write.
    await until(async () => (await alice.call('getReadiness')).status === 503)
    await until(async () => (await alice.call('getProfile')).status === 503)
    await expectUnavailable()

    const { code, stderr } = await workplace.startInVain(env)
    expect([code, stderr]).toEqual([
      1,
      'Parley did not start.\nThe database in DATABASE_URL is read-only: it is a standby or has default_transaction_read_only. Name the primary server, or allow writes.\n',
    ])

    await setReadOnly('off')
    await expectRecovery()
  }, 120_000)
})
