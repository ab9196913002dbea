import { accessSync, constants, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { open, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { StartRefused } from '../../ports/start-refused.ts'

/** Its name within DATA_DIR. */
export const DATABASE_FOLDER = 'database'

/** Beside it: says which process has it open. */
export const LOCK_FILE = 'database.lock'

/** The prefix of a database that is being created; the process id follows. */
const ASIDE = 'database.new-'

/** Without any of these PostgreSQL does not start, or would start on nothing. */
const PARTS = ['PG_VERSION', 'global/pg_control', 'base', 'pg_wal', 'pg_xact', 'postgresql.conf']

/** Whether there is anything that a start would open. An empty folder is nothing. */
export function hasEmbeddedDatabase(dataDir: string): boolean {
  const path = join(resolve(dataDir), DATABASE_FOLDER)
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return false
  return !found.isDirectory() || readdirSync(path).length > 0
}

/**
 * Creates the data folder where it is missing, for its owner alone.
 * @throws StartRefused if it cannot be created or written
 */
export function makeDataDir(dataDir: string): void {
  const folder = resolve(dataDir)
  try {
    makeFolder(folder)
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException
    const why = WHY[code] ?? `the file system says ${code}`
    const message = `The data folder ${folder} (DATA_DIR) cannot be used: ${why}. Name a folder that this user can write to, or make this user its owner.`
    throw new StartRefused(message, { cause })
  }
}

/** By hand: Node's own `recursive` never returns where no folder can be created, as in /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder) && statSync(folder).isDirectory()) return
  if (dirname(folder) !== folder) makeFolder(dirname(folder))
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    // Another start may have made it at the same moment.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}

const WHY: Readonly<Record<string, string>> = {
  EACCES: 'this user cannot write there',
  EPERM: 'this user cannot write there',
  EROFS: 'its file system is read-only',
  ENOSPC: 'its disk is full',
  EEXIST: 'a file with that name exists',
  ENOTDIR: 'part of its path is a file',
  ENOENT: 'it cannot be created there',
}

/** @throws StartRefused if what is there is not a whole database; changes nothing */
export function refuseIncomplete(dataDir: string): void {
  if (!hasEmbeddedDatabase(dataDir)) return
  const path = join(resolve(dataDir), DATABASE_FOLDER)
  const faults = statSync(path).isDirectory() ? missingIn(path) : ['it is a file']
  if (faults.length === 0) return
  throw new StartRefused(
    `The database in ${path} is incomplete: ${faults.join(', ')}. Nothing was changed. Restore all of DATA_DIR from a backup. Only if the database never held any data, remove ${path} and start again.`,
  )
}

function missingIn(path: string): string[] {
  const faults = PARTS.filter((part) => !existsSync(join(path, part))).map(
    (part) => `${part} is missing`,
  )
  const empty = ['PG_VERSION', 'global/pg_control'].filter(
    (part) => statSync(join(path, part), { throwIfNoEntry: false })?.size === 0,
  )
  return [...faults, ...empty.map((part) => `${part} is empty`)]
}

/**
 * Creates a database beside its place, and moves it there once every byte of it is on the disk. Removes
 * first what a killed start has left. The caller holds the lock of the folder.
 * @param make creates the database in the given folder, and closes it
 * @throws StartRefused if it cannot be created; then nothing of it is left
 */
export async function buildAside(
  dataDir: string,
  make: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = resolve(dataDir)
  await removeAside(folder)
  const aside = join(folder, `${ASIDE}${String(process.pid)}`)
  try {
    await make(aside)
    await flushFolder(aside)
    await moveTo(join(folder, DATABASE_FOLDER), aside)
  } catch (error) {
    await rm(aside, { recursive: true, force: true })
    if (error instanceof StartRefused) throw error
    const message = `A new database could not be created in ${folder} (DATA_DIR): check that its disk is neither full nor read-only. No part of it was kept.`
    throw new StartRefused(message, { cause: error })
  }
}

async function removeAside(folder: string): Promise<void> {
  const left = (await readdir(folder)).filter((name) => name.startsWith(ASIDE))
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true, force: true })))
}

async function moveTo(place: string, aside: string): Promise<void> {
  // An empty folder may be in its place; one that is not empty stays.
  await rmdir(place).catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return
    const message = `${place} cannot be replaced by a new database (${code ?? 'unknown'}): mount DATA_DIR itself, not a folder in it.`
    throw new StartRefused(message, { cause })
  })
  await rename(aside, place)
  await flush(join(place, '..'))
}

/** Without it, a power cut after the move can leave files that exist and are empty. */
async function flushFolder(folder: string): Promise<void> {
  const flushes = (await readdir(folder, { withFileTypes: true })).map((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? flushFolder(path) : flush(path)
  })
  await Promise.all(flushes)
  await flush(folder)
}

async function flush(path: string): Promise<void> {
  // Windows cannot flush a folder.
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
