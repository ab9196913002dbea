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

// Ends by signal only; prints the id of each account once its write was acknowledged.
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

test('every acknowledged write is there after kill -9, and the directory opens again', async () => {
  const ids = await killWhenWritten(spawnWriter(), 60)
  const store = await openStore({ dataDir })
  try {
    for (const id of ids) expect(await store.accounts.find(id)).toBeDefined()
  } finally {
    await store.close()
  }
}, 60_000)

test('a second process is refused the directory while the first lives', async () => {
  const writer = spawnWriter()
  if (!writer.stdout) throw new Error('The writer has no output')
  await once(writer.stdout, 'data')
  const refusal = new RegExp(`Process ${String(writer.pid)} has this data directory open`)
  await expect(openStore({ dataDir })).rejects.toThrow(refusal)

  writer.kill('SIGKILL')
  await once(writer, 'exit')
  await (await openStore({ dataDir })).close()
}, 60_000)

test('one process cannot open the directory twice, and can again after closing it', async () => {
  const store = await openStore({ dataDir })
  await expect(openStore({ dataDir })).rejects.toThrow(/DATABASE_URL/)

  await store.close()
  await (await openStore({ dataDir })).close()
}, 60_000)

test('a lock whose pid now belongs to another process is taken over', async () => {
  const holder = JSON.stringify({ pid: process.ppid, startedAt: '1' })
  await writeFile(join(dataDir, 'database.lock'), holder)
  await (await openStore({ dataDir })).close()
}, 60_000)

test('a database that was made just now takes arrays of the types that it was made with', async () => {
  const store = await openStore({ dataDir })
  try {
    const of = { role: 'service' as const, displayName: 'Help desk', now: new Date() }
    await store.accounts.create({ id: randomUUID(), ...of })
    expect(await store.accounts.list({ roles: ['service'], limit: 10 })).toMatchObject([
      { displayName: 'Help desk' },
    ])
  } finally {
    await store.close()
  }
}, 60_000)

test('lets whatever else has come be heard between statements that wait', async () => {
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

describe('a database that is not whole is refused with a sentence, and stays as it is', () => {
  let whole: string
  beforeAll(async () => {
    whole = await mkdtemp(join(tmpdir(), 'parley-whole-'))
    await (await openStore({ dataDir: whole })).close()
  }, 120_000)
  afterAll(() => rm(whole, { recursive: true, force: true }))

  /** All but the note of a PostgreSQL that found out for itself that it cannot start. */
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
    ['of another PostgreSQL', (to) => writeFile(join(to, 'PG_VERSION'), '9\n'), /another version/],
  ])('%s', async (_what, spoil, sentence) => {
    const database = join(dataDir, 'database')
    await cp(join(whole, 'database'), database, { recursive: true })
    await spoil(database)
    const before = await filesIn(database)

    const failure: unknown = await openStore({ dataDir }).catch((error: unknown) => error)

    expect(failure).toBeInstanceOf(StartRefused)
    expect((failure as Error).message).toMatch(sentence)
    expect(await filesIn(database)).toEqual(before)
    expect(await readdir(dataDir)).toEqual(['database'])
  })

  test('a file in its place', async () => {
    await writeFile(join(dataDir, 'database'), 'x')

    await expect(openStore({ dataDir })).rejects.toThrow(/it is a file/)
  })

  test.each(['null', '{}', '{"pid":"1","startedAt":""}', 'junk'])(
    'a lock that says %s',
    async (text) => {
      await writeFile(join(dataDir, 'database.lock'), text)

      await expect(openStore({ dataDir })).rejects.toThrow(/does not say which process/)
    },
  )
})

test('a folder of data that cannot be made is refused with a sentence', async () => {
  const file = join(dataDir, 'file')

  await writeFile(file, 'x')

  await expect(openStore({ dataDir: file })).rejects.toThrow(/a file with that name/)
  await expect(openStore({ dataDir: '/proc/parley' })).rejects.toThrow(/cannot be created there/)
})
