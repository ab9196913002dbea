import { DriverAdapterError } from '@prisma/driver-adapter-utils'

/**
 * What `executeScript` of a migration's adapter should do: wait, and fail in the form that the
 * schema engine can tell about; of any other it says only "external error".
 */
export function scriptRunner(
  run: (script: string) => Promise<unknown>,
): (script: string) => Promise<void> {
  return async (script) => {
    try {
      await run(script)
    } catch (error) {
      throw new DriverAdapterError(toDriverError(error))
    }
  }
}

/** The engine makes a shadow database only to compare schemas, never to migrate. */
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
