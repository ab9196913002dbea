import { pino, type DestinationStream, type Logger } from 'pino'
import { escapeLineEnds } from '../../lib/json-line.ts'

/** Structured lines for operators. They never contain a body, a token or a password. */
export type Log = Logger

/** A line has at most 8 kB: the stack and message of an error get half of it. */
const MAX_STACK_CHARACTERS = 4_000

/** Lines are written in batches: one at a time, they took a fifth of a cheap call. */
const BUFFERED_BYTES = 12_288
/** No line waits longer. Unless it is killed, the process writes the rest when it exits. */
const MAX_WAIT_MS = 100

/**
 * One JSON line for each entry, on standard output unless told otherwise.
 * @param level the least severe level that is written
 */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: serializeError },
    hooks: { streamWrite: escapeLineEnds },
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(options, destination ?? standardOutput())
}

function standardOutput(): DestinationStream {
  const buffered = { minLength: BUFFERED_BYTES, periodicFlush: MAX_WAIT_MS }
  return pino.destination({ dest: 1, sync: false, ...buffered })
}

/** The kind and origin of an error. Its other properties may contain anything: they are left out. */
function serializeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error }
  const { name, stack, cause } = error
  return {
    type: name,
    ...('code' in error && typeof error.code === 'string' && { code: error.code }),
    stack: (stack ?? error.message).slice(0, MAX_STACK_CHARACTERS),
    ...(cause instanceof Error && { cause: `${cause.name}: ${cause.message}`.slice(0, 1_000) }),
  }
}
