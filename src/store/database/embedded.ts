import { join, resolve } from 'node:path'
import type { PGlite } from '@electric-sql/pglite'
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import { PrismaPGlite } from 'pglite-prisma-adapter'
import { StartRefused } from '../../ports/start-refused.ts'
import { type EventLoop, NodeEventLoop } from '../../ports/clock/event-loop.ts'
import { lockDirectory } from './directory-lock.ts'
import {
  buildAside,
  DATABASE_FOLDER,
  hasEmbeddedDatabase,
  LOCK_FILE,
  makeDataDir,
  refuseIncomplete,
} from './embedded-folder.ts'
import {
  refuseShadowDatabase,
  type Run,
  scriptRunner,
  transactionBy,
  undoing,
} from '../migrations/migration-script.ts'
import type { LockedMigration } from './server.ts'
import { createWholePGlite } from './whole-pglite.ts'

export type EmbeddedOptions = {
  /** The database lives in `<dataDir>/database`; absent: in memory. */
  dataDir?: string
  /** What `PGlite.dumpDataDir` gave: a database in memory starts as a copy of it. */
  loadDataDir?: Blob
}

export type Embedded = { pglite: PGlite; close: () => Promise<void> }

/** Relaxed, a write is acknowledged before it has reached the file system. */
const DURABLE = { relaxedDurability: false }

/**
 * Opens PGlite. An acknowledged write survives any signal that ends the process; it is not flushed to the
 * disk, so a power cut may lose the latest. A missing database is created aside: the folder has a whole one
 * or none, whenever the process is killed.
 * @throws StartRefused when another process has the directory open, when it cannot be written, or when it
 *   holds an incomplete database, which is left unchanged
 */
export async function openEmbedded({ dataDir, loadDataDir }: EmbeddedOptions): Promise<Embedded> {
  if (dataDir === undefined) {
    const pglite = await createWholePGlite({ ...DURABLE, ...(loadDataDir && { loadDataDir }) })
    return ready(pglite, () => {})
  }
  makeDataDir(dataDir)
  const unlock = lockDirectory(join(resolve(dataDir), LOCK_FILE))
  try {
    refuseIncomplete(dataDir)
    if (!hasEmbeddedDatabase(dataDir)) await buildAside(dataDir, makeDatabase)
    return await ready(await openFolder(join(resolve(dataDir), DATABASE_FOLDER)), unlock)
  } catch (error) {
    unlock()
    throw error
  }
}

async function ready(pglite: PGlite, unlock: () => void): Promise<Embedded> {
  // The adapter reads and writes times as if the session's zone were UTC.
  await pglite.exec(`SET TIME ZONE 'UTC'`)
  answerInTurns(pglite, new NodeEventLoop())
  return { pglite, close: () => closeEmbedded(pglite, unlock) }
}

/**
 * Runs one statement in each turn of the event loop. PGlite runs in this process and otherwise executes all
 * waiting statements without a pause, during which the process handles no other event. The statements of a
 * transaction stay together.
 */
function answerInTurns(pglite: PGlite, eventLoop: EventLoop): void {
  const query = pglite.query.bind(pglite)
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = (...asked: Parameters<typeof query>) => {
    const answer = last.then(() => eventLoop.yield()).then(() => query(...asked))
    last = answer.catch(() => undefined)
    return answer
  }
  pglite.query = inTurn as typeof query
}

async function makeDatabase(folder: string): Promise<void> {
  const pglite = await createWholePGlite({ dataDir: folder, ...DURABLE })
  await pglite.close()
}

async function openFolder(folder: string): Promise<PGlite> {
  try {
    return await createWholePGlite({ dataDir: folder, ...DURABLE })
  } catch (cause) {
    // PGlite reports only that it failed.
    const message = `The database in ${folder} does not open: it is damaged, or another version of Parley made it. Restore the whole of DATA_DIR from a backup.`
    throw new StartRefused(message, { cause })
  }
}

async function closeEmbedded(pglite: PGlite, unlock: () => void): Promise<void> {
  try {
    if (!pglite.closed) await pglite.close()
  } finally {
    unlock()
  }
}

/** The adapter and the transaction for migrations; the lock of the folder already excludes others. */
export function lockEmbeddedForMigration(pglite: PGlite): LockedMigration {
  const run: Run = (sql) => pglite.exec(sql)
  return {
    factory: embeddedMigrationAdapter(pglite, undoing(run)),
    transaction: transactionBy(run),
    // PGlite reads the types of arrays when it opens, and a migration may have created new ones.
    release: () => pglite.refreshArrayTypes(),
  }
}

/**
 * The adapter for migrations. `executeScript` of the original does not wait, and its failure
 * ends the process as an unhandled rejection (pglite-prisma-adapter 0.7.2).
 */
export function embeddedMigrationAdapter(
  pglite: PGlite,
  run: Run = (sql) => pglite.exec(sql),
): SqlMigrationAwareDriverAdapterFactory {
  return {
    provider: 'postgres',
    adapterName: 'pglite-prisma-adapter',
    connectToShadowDb: refuseShadowDatabase,
    async connect() {
      const adapter = await new PrismaPGlite(pglite).connect()
      return Object.assign(adapter, { executeScript: scriptRunner(run) })
    },
  }
}
