import { mkdtemp, rm } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDatabase } from '../../src/store/database/database.ts'
import { openLimitCounters } from '../../src/store/limit-counters.ts'
import { openStore, refusalByDatabase } from '../../src/store/store.ts'
import {
  hasPostgres,
  type PostgresServer,
  startPostgres,
} from '../support/database/postgres-server.ts'
import { administer } from '../support/database/server-database.ts'

/*
 * A server with a self-signed certificate, as Debian's has, and one without a certificate. Each
 * parameter of the URL does what psql does with it.
 */

const tls = join(import.meta.dirname, '../support/process/tls')
const certFile = join(tls, 'first-test-only.cert.pem')
const otherCertFile = join(tls, 'second-test-only.cert.pem')
const PASSWORD = 'p@ss:w/rd?#%1 &='
const HBA = `
local all all trust
hostssl all onlyencrypted 127.0.0.0/8 trust
host all secretive 127.0.0.0/8 scram-sha-256
host all postgres 127.0.0.0/8 trust
`

let encrypting: PostgresServer
let plain: PostgresServer
let sockets: string
beforeAll(async () => {
  if (!hasPostgres) return
  sockets = await mkdtemp(join(tmpdir(), 'parley-so-'))
  const files = {
    'server.crt': readFileSync(certFile, 'utf8'),
    'server.key': readFileSync(join(tls, 'first-test-only.key.pem'), 'utf8'),
    'pg_hba.conf': HBA,
  }
  encrypting = await startPostgres({
    settings: ['ssl=on', 'listen_addresses=127.0.0.1,127.0.0.2'],
    files,
  })
  plain = await startPostgres()
  await administer(encrypting.url, 'CREATE ROLE onlyencrypted LOGIN')
  await administer(encrypting.url, `CREATE ROLE secretive LOGIN PASSWORD '${PASSWORD}'`)
}, 120_000)
afterAll(async () => {
  if (!hasPostgres) return
  await Promise.all([encrypting.close(), plain.close()])
  await rm(sockets, { recursive: true })
})

/** Whether a connection by this URL is encrypted, or the message with which it is refused. */
async function connect(url: string): Promise<boolean | string> {
  try {
    const database = await openDatabase({ databaseUrl: url })
    const rows = database.query<[{ ssl: boolean }]>`
      SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
    return await rows.then(([{ ssl }]) => ssl).finally(() => database.close())
  } catch (error) {
    return refusalByDatabase(error)?.message ?? String(error)
  }
}

const asUser = (user: string, url: string) => url.replace('postgres@', `${user}@`)

describe.skipIf(!hasPostgres)('a connection to a server with a self-signed certificate', () => {
  test.each([
    '',
    '?sslmode=prefer',
    '?sslmode=require',
    '?ssl=true',
    '?sslmode=no-verify',
    `?sslmode=require&sslrootcert=${certFile}`,
    `?sslmode=verify-ca&sslrootcert=${certFile}`,
    `?sslmode=verify-full&sslrootcert=${certFile}`,
    '?channel_binding=prefer',
  ])('is encrypted with "%s"', async (parameters) => {
    expect(await connect(`${encrypting.url}${parameters}`)).toBe(true)
    expect(await connect(asUser('onlyencrypted', `${encrypting.url}${parameters}`))).toBe(true)
  })

  test('is not encrypted with sslmode=disable', async () => {
    expect(await connect(`${encrypting.url}?sslmode=disable`)).toBe(false)
  })

  test.each([
    '?sslmode=verify-full',
    `?sslmode=verify-full&sslrootcert=${otherCertFile}`,
    `?sslmode=require&sslrootcert=${otherCertFile}`,
    `?sslmode=verify-ca&sslrootcert=${otherCertFile}`,
  ])('is refused with "%s", with the cause and the parameter that helps', async (parameters) => {
    const sentence = await connect(`${encrypting.url}${parameters}`)

    expect(sentence).toMatch(
      /certificate of PostgreSQL is not trusted \(self.signed certificate.*sslrootcert/,
    )
  })

  test('is refused for another host by verify-full, but not by verify-ca', async () => {
    // The certificate is for localhost and 127.0.0.1.
    const url = encrypting.url.replace('127.0.0.1', '127.0.0.2')
    const trusted = `?sslrootcert=${certFile}&sslmode=`

    expect(await connect(`${url}${trusted}verify-full`)).toMatch(/for a different host/)
    expect(await connect(`${url}${trusted}verify-ca`)).toBe(true)
  })

  test('is refused with the cause when pg_hba.conf requires encryption and the URL disables it', async () => {
    const sentence = await connect(asUser('onlyencrypted', `${encrypting.url}?sslmode=disable`))

    expect(sentence).toMatch(/pg_hba\.conf.*sslmode/)
  })

  test.each(['', '?sslmode=disable', '?sslmode=require', '?sslmode=prefer&channel_binding=prefer'])(
    'accepts a password of reserved characters with "%s"',
    async (parameters) => {
      const login = `secretive:${encodeURIComponent(PASSWORD)}`

      expect(await connect(asUser(login, `${encrypting.url}${parameters}`))).toEqual(
        expect.any(Boolean),
      )
      expect(await connect(asUser('secretive:wrong', `${encrypting.url}${parameters}`))).toMatch(
        /user or the password/,
      )
      expect(await connect(asUser('secretive', `${encrypting.url}${parameters}`))).toMatch(
        /requires a password/,
      )
    },
  )
})

describe.skipIf(!hasPostgres)('a connection to a server without a certificate', () => {
  test.each(['', '?sslmode=prefer', '?sslmode=disable', '?ssl=false'])(
    'is not encrypted with "%s"',
    async (parameters) => {
      expect(await connect(`${plain.url}${parameters}`)).toBe(false)
    },
  )

  test.each(['?sslmode=require', '?sslmode=no-verify', '?ssl=true', '?sslmode=verify-full'])(
    'is refused with "%s"',
    async (parameters) => {
      expect(await connect(`${plain.url}${parameters}`)).toMatch(
        /does not offer it.*sslmode=prefer/,
      )
    },
  )
})

describe.skipIf(!hasPostgres)('a connection to a socket', () => {
  test('serves the store and the limit counters, for each spelling of its folder', async () => {
    const server = await startPostgres({ settings: [`unix_socket_directories=/tmp`] })
    const { port } = new URL(server.url)
    const urls = [
      `postgresql://postgres@/postgres?host=/tmp&port=${port}`,
      `postgresql:///postgres?host=/tmp&port=${port}&user=postgres&sslmode=verify-full`,
      `postgresql://postgres@%2Ftmp:${port}/postgres?schema=chat`,
    ]

    for (const databaseUrl of urls) {
      const store = await openStore({ databaseUrl })
      await store.ping()
      await store.close()
      const counters = openLimitCounters(databaseUrl)
      expect(await counters.find(['k'])).toEqual([undefined])
      await counters.close()
    }

    await server.close()
  }, 60_000)

  test('is refused with the cause when there is no socket', async () => {
    expect(await connect(`postgresql://postgres@/postgres?host=${sockets}`)).toMatch(
      /has no socket/,
    )
  })
})
