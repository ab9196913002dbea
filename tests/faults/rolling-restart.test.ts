import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { migrationsDirectory, readMigrations } from '../../src/store/migrations/migration-files.ts'
import { openEmptyServerDatabase } from '../support/database/database.ts'
import { freePort } from '../support/wire/free-port.ts'
import { openWorkplace, type ParleyProcess, type Workplace } from '../support/process/process.ts'
import { queryServer } from '../support/database/server-database.ts'
import { until } from '../support/clock/until.ts'

const PATIENCE_MS = 180_000

// The embedded database serves only one process.
describe.skipIf('snapshot' in inject('migrated'))('two processes on one PostgreSQL', () => {
  let workplace: Workplace
  let empty: Awaited<ReturnType<typeof openEmptyServerDatabase>>
  let shared: Record<string, string>
  beforeEach(async () => {
    workplace = await openWorkplace()
    empty = await openEmptyServerDatabase()
    const keys = join(workplace.directory, 'keys.json')
    await writeFile(keys, await newSigningKeysText(), { mode: 0o600 })
    shared = {
      DATABASE_URL: empty.url,
      SIGNING_KEYS_FILE: keys,
      SERVER_SECRET: 'a server secret that only the tests know of',
    }
  })
  afterEach(async () => {
    await workplace.close()
    await empty.drop()
  })

  test(
    'migrate once, create one administrator and both serve when they start together on an empty database',
    async () => {
      const both = await Promise.all([workplace.start(shared), workplace.start(shared)])

      const names = (await readMigrations(migrationsDirectory)).map(({ name }) => name)
      const applied = await queryServer(
        empty.url,
        'SELECT migration_name AS name FROM _prisma_migrations ORDER BY 1',
      )
      expect(applied.map(({ name }) => name)).toEqual(names)
      const admins = await queryServer(empty.url, 'SELECT id FROM accounts')
      expect(admins).toHaveLength(1)
      for (const parley of both) await logInSoon(parley)
    },
    PATIENCE_MS,
  )

  test(
    'show no error during a rolling restart to a client that retries once at the other',
    async () => {
      const ports = [await freePort(), await freePort()]
      const started: ParleyProcess[] = []
      const start = async (port: number) => {
        const parley = await workplace.start({ ...shared, PORT: String(port) })
        started.push(parley)
        return parley
      }
      const running: ParleyProcess[] = []
      for (const port of ports) running.push(await start(port))
      const urls = running.map(({ url }) => url)
      const { credentials } = await logInSoon(running[0]!)
      const load = startLoad(urls, credentials)
      await until(() => load.done() > 20, PATIENCE_MS)

      const exits: unknown[] = []
      for (const [index, port] of ports.entries()) {
        running[index]!.signal('SIGTERM')
        exits.push(await running[index]!.exited)
        running[index] = await start(port)
        const before = load.done()
        await until(() => load.done() > before + 20, PATIENCE_MS)
      }
      const failures = await load.stop()

      expect(failures, started.map(errorLines).join('')).toEqual([])
      expect(exits).toEqual([
        { code: 0, signal: null },
        { code: 0, signal: null },
      ])
      expect(load.retried()).toBeGreaterThan(0)
    },
    PATIENCE_MS,
  )
})

/** Retries: on a busy machine, sign-in can be 503 for a second while a server warms up. */
const logInSoon = (parley: ParleyProcess) =>
  until(() => parley.logIn().catch(() => undefined), 30_000)

/** Returns the lines that the server logged as its own errors. */
const errorLines = (parley: ParleyProcess) =>
  parley
    .stdout()
    .split('\n')
    .filter((line) => /"level":"(error|fatal)"/.test(line))
    .join('\n')

/** Starts callers that read, chat and stream without a pause, at each instance in turn. */
function startLoad(urls: string[], credentials: Record<string, string>) {
  const failures: string[] = []
  let isOver = false
  let done = 0
  let retried = 0
  const headers = { ...credentials, 'Content-Type': 'application/json' }

  /** Returns what went wrong, or undefined. */
  const attempt = async (
    url: string,
    path: string,
    idempotencyKey: string,
  ): Promise<string | undefined> => {
    try {
      const isRead = path === 'conversations'
      const response = await fetch(`${url}/api/v1/${path}`, {
        headers: { ...headers, ...(!isRead && { 'Idempotency-Key': idempotencyKey }) },
        ...(!isRead && { method: 'POST', body: JSON.stringify({ message: 'Hello!' }) }),
      })
      const text = await response.text()
      if (response.status !== 200) return `${path}: ${response.status} ${text}`
      if (path !== 'chat/stream' || text.includes('event: message.end')) return undefined
      return `${path}: ${text.slice(-300)}`
    } catch (error) {
      const { cause, message } = error as Error
      return `${path}: ${message} ${String(cause)}`
    }
  }
  const call = async (path: string): Promise<void> => {
    for (let turn = 0; !isOver; turn += 1) {
      const idempotencyKey = crypto.randomUUID()
      const at = (index: number) => urls[(turn + index) % urls.length]!
      const first = await attempt(at(0), path, idempotencyKey)
      if (first !== undefined) {
        retried += 1
        const second = await attempt(at(1), path, idempotencyKey)
        if (second !== undefined) failures.push(`${first} | ${second}`)
      }
      done += 1
    }
  }
  const callers = ['conversations', 'conversations', 'chat', 'chat/stream'].map(call)
  return {
    done: () => done,
    retried: () => retried,
    async stop() {
      isOver = true
      await Promise.all(callers)
      return failures
    },
  }
}
