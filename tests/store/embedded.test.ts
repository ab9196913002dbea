import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { StartRefused } from '../../src/ports/start-refused.ts'
import { openStore } from '../../src/store/store.ts'

let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'parley-embedded-'))
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

/** Starts a process that prints the id of each account that it wrote, until it is killed. */
function spawnWriter(): ChildProcess {
  const writer = join(import.meta.dirname, 'endless-writer.ts')
  return spawn(process.execPath, ['--import', 'tsx', writer, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function killWhenWritten(writer: ChildProcess, rows: number): Promise<string[]> {
  const ids: string[] = []
  if (!writer.stdout) throw new Error('The writer has no output')
  for await (const id of createInterface({ input: writer.stdout })) {
    ids.push(id)
    if (ids.length === rows) writer.kill('SIGKILL')
  }
  if (writer.signalCode === null) await once(writer, 'exit')
  return ids
}

test('every acknowledged write is stored after SIGKILL, and the directory can be opened again', async () => {
  const ids = await killWhenWritten(spawnWriter(), 60)

  const store = await openStore({ dataDir })
  try {
    for (const id of ids) expect(await store.accounts.find(id)).toBeDefined()
  } finally {
    await store.close()
  }
}, 60_000)

test('a second process cannot open the directory while the first runs', async () => {
  const writer = spawnWriter()
  if (!writer.stdout) throw new Error('The writer has no output')
  await once(writer.stdout, 'data')

  const refusal = new RegExp(`Process ${String(writer.pid)} has this data directory open`)
  await expect(openStore({ dataDir })).rejects.toThrow(refusal)
  writer.kill('SIGKILL')
  await once(writer, 'exit')
  await (await openStore({ dataDir })).close()
}, 60_000)

test('a process can open the directory again only after closing it', async () => {
  const store = await openStore({ dataDir })

  await expect(openStore({ dataDir })).rejects.toThrow(/DATABASE_URL/)
  await store.close()
  await (await openStore({ dataDir })).close()
}, 60_000)

test('a lock whose process id now belongs to another process is taken over', async () => {
  const holder = JSON.stringify({ pid: process.ppid, startedAt: '1' })
  await writeFile(join(dataDir, 'database.lock'), holder)

  await (await openStore({ dataDir })).close()
}, 60_000)

test('a new database accepts arrays of its own enum types', async () => {
  const store = await openStore({ dataDir })
  try {
    const account = { role: 'service' as const, displayName: 'Help desk', now: new Date() }
    await store.accounts.create({ id: randomUUID(), ...account })

    expect(await store.accounts.list({ roles: ['service'], limit: 10 })).toMatchObject([
      { displayName: 'Help desk' },
    ])
  } finally {
    await store.close()
  }
}, 60_000)

test('other callbacks run between the statements of a queue', async () => {
  const store = await openStore({ dataDir })
  let turns = 0
  const count = () => {
    turns += 1
    timer = setImmediate(count)
  }
  let timer = setImmediate(count)

  try {
    await Promise.all(Array.from({ length: 20 }, () => store.ping()))

    expect(turns).toBeGreaterThanOrEqual(19)
  } finally {
    clearImmediate(timer)
    await store.close()
  }
})

describe('a damaged database', () => {
  let intact: string
  beforeAll(async () => {
    intact = await mkdtemp(join(tmpdir(), 'parley-whole-'))
    await (await openStore({ dataDir: intact })).close()
  }, 120_000)
  afterAll(() => rm(intact, { recursive: true, force: true }))

  /** All files but the one in which a PostgreSQL that cannot start says so. */
  const filesIn = async (database: string) =>
    (await readdir(database, { recursive: true }))
      .filter((name) => name !== 'postmaster.pid')
      .sort()

  const without = (part: string) => (folder: string) => rm(join(folder, part), { recursive: true })

  test.each<[string, (database: string) => Promise<void>, RegExp]>([
    ['without PG_VERSION', without('PG_VERSION'), /PG_VERSION is missing/],
    ['with an empty PG_VERSION', (to) => truncate(join(to, 'PG_VERSION')), /PG_VERSION is empty/],
    ['without pg_control', without('global/pg_control'), /pg_control is missing/],
    ['without base', without('base'), /base is missing/],
    ['without pg_xact', without('pg_xact'), /pg_xact is missing/],
    ['without pg_wal', without('pg_wal'), /pg_wal is missing/],
    ['without its configuration', without('postgresql.conf'), /postgresql.conf is missing/],
    ['with half a pg_control', (to) => truncate(join(to, 'global/pg_control'), 100), /damaged/],
    ['of another version', (to) => writeFile(join(to, 'PG_VERSION'), '9\n'), /another version/],
  ])('%s is refused with the cause and left unchanged', async (_what, damage, sentence) => {
    const database = join(dataDir, 'database')
    await cp(join(intact, 'database'), database, { recursive: true })
    await damage(database)
    const before = await filesIn(database)

    const failure: unknown = await openStore({ dataDir }).catch((error: unknown) => error)

    expect(failure).toBeInstanceOf(StartRefused)
    expect((failure as Error).message).toMatch(sentence)
    expect(await filesIn(database)).toEqual(before)
    expect(await readdir(dataDir)).toEqual(['database'])
  })

  test('that is a file is refused', async () => {
    await writeFile(join(dataDir, 'database'), 'x')

    await expect(openStore({ dataDir })).rejects.toThrow(/it is a file/)
  })

  test.each(['null', '{}', '{"pid":"1","startedAt":""}', 'junk'])(
    'whose lock contains %s is refused',
    async (text) => {
      await writeFile(join(dataDir, 'database.lock'), text)

      await expect(openStore({ dataDir })).rejects.toThrow(/does not say which process/)
    },
  )
})

test('a data directory that cannot be created is refused with the cause', async () => {
  const file = join(dataDir, 'file')
  await writeFile(file, 'x')

  await expect(openStore({ dataDir: file })).rejects.toThrow(/a file with that name/)
  await expect(openStore({ dataDir: '/proc/parley' })).rejects.toThrow(/cannot be created there/)
})
