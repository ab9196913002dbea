import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { PGlite } from '@electric-sql/pglite'
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import { PrismaPGlite } from 'pglite-prisma-adapter'
import { createTurns, type Turns } from '../ports/turns.ts'
import { lockDirectory } from './directory-lock.ts'
import { refuseShadowDatabase, scriptRunner } from './migration-script.ts'
import { createWholePGlite } from './whole-pglite.ts'

export type EmbeddedOptions = {
  /** The database lives in `<dataDir>/database`; absent: in memory. */
  dataDir?: string
  /** What `PGlite.dumpDataDir` gave: the database starts as a copy of it. */
  loadDataDir?: Blob
}

export type Embedded = { pglite: PGlite; close(): Promise<void> }

/**
 * Opens PGlite. An acknowledged write survives the end of the process by any signal; it is
 * not flushed to the disk, so the loss of power may cost the latest.
 * @throws when another process has the directory open.
 */
export async function openEmbedded({ dataDir, loadDataDir }: EmbeddedOptions): Promise<Embedded> {
  const unlock = dataDir === undefined ? () => {} : lockDataDir(dataDir)
  try {
    const pglite = await createWholePGlite({
      ...(dataDir !== undefined && { dataDir: join(resolve(dataDir), 'database') }),
      ...(loadDataDir !== undefined && { loadDataDir }),
      // With it a write is acknowledged before it has reached the file system.
      relaxedDurability: false,
    })
    // The adapter reads and writes times as if the session's zone were UTC.
    await pglite.exec(`SET TIME ZONE 'UTC'`)
    answerInTurns(pglite, createTurns())
    return { pglite, close: () => closeEmbedded(pglite, unlock) }
  } catch (error) {
    unlock()
    throw error
  }
}

/**
 * One statement in each turn of the event loop. It runs in this process, and PGlite works off all
 * that wait without ever letting go: so long nothing else would be heard. What belongs to a
 * transaction stays together.
 */
function answerInTurns(pglite: PGlite, turns: Turns): void {
  const query = pglite.query.bind(pglite)
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = (...asked: Parameters<typeof query>) => {
    const answer = last.then(() => turns.take()).then(() => query(...asked))
    last = answer.catch(() => undefined)
    return answer
  }
  pglite.query = inTurn as typeof query
}

function lockDataDir(dataDir: string): () => void {
  mkdirSync(resolve(dataDir), { recursive: true, mode: 0o700 })
  return lockDirectory(join(resolve(dataDir), 'database.lock'))
}

async function closeEmbedded(pglite: PGlite, unlock: () => void): Promise<void> {
  try {
    if (!pglite.closed) await pglite.close()
  } finally {
    unlock()
  }
}

/**
 * The adapter for migrations. `executeScript` of the original does not wait, and its failure
 * ends the process as an unhandled rejection (pglite-prisma-adapter 0.7.2).
 */
export function embeddedMigrationAdapter(pglite: PGlite): SqlMigrationAwareDriverAdapterFactory {
  return {
    provider: 'postgres',
    adapterName: 'pglite-prisma-adapter',
    connectToShadowDb: refuseShadowDatabase,
    async connect() {
      const adapter = await new PrismaPGlite(pglite).connect()
      const executeScript = scriptRunner((script) => pglite.exec(script))
      return Object.assign(adapter, { executeScript })
    },
  }
}
