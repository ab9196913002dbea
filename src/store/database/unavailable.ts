import { accountClosedIn } from '../account-closed.ts'

/**
 * The database itself failed: unreachable, too slow, shutting down or closed. Nothing is wrong with the
 * request, so the caller may retry it. `cause` is for the log only.
 */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable'
}

type Noun = Record<string, (...parameters: never[]) => Promise<unknown>>

/**
 * Makes the call; a failure of the database itself becomes {@link DatabaseUnavailable}, and its refusal to
 * write for a closed account {@link AccountClosed}.
 */
export async function guardedCall<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    const closed = error instanceof Error ? accountClosedIn(driverFailure(error)) : undefined
    if (closed) throw closed
    if (error instanceof DatabaseUnavailable || !isDatabaseFailure(error)) throw error
    throw new DatabaseUnavailable('The database did not answer', { cause: error })
  }
}

/** How a noun makes its calls. */
export type Guarding = typeof guardedCall

/** The same functions; a failure of the database itself becomes {@link DatabaseUnavailable}. */
export function guarded<T extends Noun>(noun: T, guarding: Guarding = guardedCall): T {
  const entries = Object.entries(noun).map(([name, call]) => [name, guard(call, guarding)])
  return Object.fromEntries(entries) as T
}

function guard(call: Noun[string], guarding: Guarding): Noun[string] {
  return (...parameters) => guarding(() => call(...parameters))
}

/** What the driver reported: the SQLSTATE and text of PostgreSQL, if it answered. */
export function driverFailure(error: unknown): { kind?: string; code?: string; text: string } {
  const { code, message, meta, cause } = error as Failure
  const driver = meta?.driverAdapterError?.cause ?? (cause as DriverCause | undefined)
  const sqlState = driver?.originalCode ?? code
  return {
    ...(driver?.kind !== undefined && { kind: driver.kind }),
    ...(sqlState !== undefined && { code: sqlState }),
    text: driver?.originalMessage ?? driver?.reason ?? message ?? String(error),
  }
}

/** @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const FAILING_SQL_STATE = /^(08...|25004|25006|25P03|40001|40P01|53...|57014|57P0.|58...|XX00.)$/

/** @see https://www.prisma.io/docs/orm/reference/error-reference */
const FAILING_PRISMA_CODE =
  /^(P1000|P1001|P1002|P1003|P1008|P1010|P1011|P1017|P2024|P2028|P2034|P2037)$/

const FAILING_SOCKET = /^(ECONN\w+|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPIPE)$/

const FAILING_KIND = new Set([
  'AuthenticationFailed',
  'ConnectionClosed',
  'DatabaseAccessDenied',
  'DatabaseDoesNotExist',
  'DatabaseNotReachable',
  'SocketTimeout',
  'TlsConnectionError',
  'TooManyConnections',
  'TransactionWriteConflict',
])

// pg, its pool and PGlite throw these as plain errors without a code; for the folder of a socket, with
// codes that have another meaning elsewhere.
const FAILING_TEXT =
  /connect (?:ENOENT|EACCES) |PGlite is clos|PGlite failed|after calling end on the pool|timeout exceeded when trying to connect|Connection terminated|Query read timeout|not queryable|Client was closed/i

function isDatabaseFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { kind, code, text } = driverFailure(error)
  if (kind !== undefined && FAILING_KIND.has(kind)) return true
  const ownCode = (error as Failure).code ?? (error as Failure).errorCode
  return [code, ownCode].some(isFailingCode) || FAILING_TEXT.test(text)
}

function isFailingCode(code: string | undefined): boolean {
  if (code === undefined) return false
  return [FAILING_SQL_STATE, FAILING_PRISMA_CODE, FAILING_SOCKET].some((codes) => codes.test(code))
}

type DriverCause = {
  kind?: string
  originalCode?: string
  originalMessage?: string
  reason?: string
}

type Failure = {
  code?: string
  errorCode?: string
  message?: string
  cause?: unknown
  meta?: { driverAdapterError?: { cause?: DriverCause } }
}
