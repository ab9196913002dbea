import { DriverAdapterError } from '@prisma/driver-adapter-utils'

/** Sends SQL to the one session of a migration. */
export type Run = (sql: string) => Promise<unknown>

/**
 * What `executeScript` of an adapter for migrations should do: wait, and fail in the form that the schema
 * engine can report; for any other it says only "external error".
 */
export function scriptRunner(run: Run): (script: string) => Promise<void> {
  return async (script) => {
    try {
      await run(script)
    } catch (error) {
      throw new DriverAdapterError(toDriverError(error))
    }
  }
}

/** A failure leaves the transaction usable: the engine records the reason next. */
export function undoing(run: Run): Run {
  return async (sql) => {
    await run('SAVEPOINT before_script')
    try {
      return await run(sql)
    } catch (error) {
      await run('ROLLBACK TO SAVEPOINT before_script')
      throw error
    }
  }
}

/** A transaction around what the engine does in the same session; it opens none of its own. */
export function transactionBy(run: Run): <T>(work: () => Promise<T>) => Promise<T> {
  return async (work) => {
    await run('BEGIN')
    try {
      const result = await work()
      await run('COMMIT')
      return result
    } catch (error) {
      // A session that has ended was rolled back by the database.
      await run('ROLLBACK').catch(() => undefined)
      throw error
    }
  }
}

/** The engine needs a shadow database only to compare schemas, never to migrate. */
export function refuseShadowDatabase(): Promise<never> {
  return Promise.reject(new Error('Migrating needs no shadow database'))
}

function toDriverError(error: unknown) {
  const { code = 'N/A', severity = 'ERROR', detail, column, hint } = error as PostgresError
  const message = error instanceof Error ? error.message : String(error)
  return { kind: 'postgres' as const, code, severity, message, detail, column, hint }
}

type PostgresError = {
  code?: string
  severity?: string
  detail?: string
  column?: string
  hint?: string
}
