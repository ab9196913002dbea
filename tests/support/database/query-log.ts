import { readFile } from 'node:fs/promises'
import { PrismaPGlite } from 'pglite-prisma-adapter'
import type { PGlite } from '@electric-sql/pglite'
import { inject } from 'vitest'
import { Prisma, PrismaClient } from '../../../generated/prisma/client.ts'
import type { Database } from '../../../src/store/database/database.ts'
import { lockEmbeddedForMigration, openEmbedded } from '../../../src/store/database/embedded.ts'
import { migrate } from '../../../src/store/migrations/migrate.ts'
import { queryBy } from '../../../src/store/database/query.ts'
import { storeOf } from '../../../src/store/store.ts'
import { until } from '../clock/until.ts'
import type { TestStore } from './database.ts'

/** A statement as the database got it. */
export type Query = { sql: string; parameters: unknown[] }

export type LoggedTestStore = TestStore & {
  /** The database itself, for what no store asks. */
  pglite: PGlite
  /** What something came to, and the statements that it made but for the ends of transactions. */
  during<T>(act: () => Promise<T>): Promise<{ result: T; queries: Query[] }>
}

/** A migrated embedded database that remembers what it was asked, wherever the tests run. */
export async function openLoggedTestStore(): Promise<LoggedTestStore> {
  const migrated = inject('migrated')
  const options =
    'snapshot' in migrated ? { loadDataDir: new Blob([await readFile(migrated.snapshot)]) } : {}
  const { pglite, close } = await openEmbedded(options)
  const log: Query[] = []
  const adapter = new PrismaPGlite(pglite)
  const prisma = new PrismaClient({
    adapter,
    log: [{ emit: 'event', level: 'query' }],
  })
  prisma.$on('query', ({ query, params }) => {
    if (!/^(BEGIN|COMMIT|ROLLBACK|SET)\b/.test(query)) {
      log.push({ sql: query, parameters: JSON.parse(params) as unknown[] })
    }
  })
  const ask = queryBy(() => adapter.connect())
  let pending = 0
  const counted = async <T>(call: () => Promise<T>): Promise<T> => {
    pending += 1
    try {
      return await call()
    } finally {
      pending -= 1
    }
  }
  const database: Database = {
    prisma: prisma.$extends({
      query: { $allOperations: ({ args, query }) => counted(() => query(args)) },
    }) as unknown as PrismaClient,
    query(text, ...values) {
      const { text: sql, values: parameters } = Prisma.sql(text, ...values)
      log.push({ sql, parameters })
      return counted(() => ask(text, ...values))
    },
    embedded: true,
    lockForMigration: async () => lockEmbeddedForMigration(pglite),
    connections: () => undefined,
    async close() {
      await prisma.$disconnect()
      await close()
    },
  }
  if (!('snapshot' in migrated)) await migrate(database)
  const store = storeOf(database)
  return {
    store,
    database,
    options,
    pglite,
    close: () => store.close(),
    async during(act) {
      // Prisma reports a statement once it is answered: one of before is not among those of this act.
      await until(() => pending === 0)
      const before = log.length
      const result = await act()
      return { result, queries: log.slice(before) }
    },
  }
}
