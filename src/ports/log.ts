import { pino, type DestinationStream, type Logger } from 'pino'

/** Structured lines for operators. What is logged never holds a body, a token or a password. */
export type Log = Logger

/**
 * One JSON line for each entry, on standard output unless told otherwise.
 * @param level the least severe level that is written
 */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(options, destination ?? pino.destination({ dest: 1, sync: false }))
}
