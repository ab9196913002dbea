import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
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
