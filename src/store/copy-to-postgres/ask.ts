import { StartRefused } from '../../ports/start-refused.ts'

/** Runs a statement on one of the two databases; gives its rows, with values as text. */
export type Ask = (sql: string, values?: unknown[]) => Promise<Record<string, string>[]>

/** The copy cannot start, or was rolled back: the target is as empty as before. */
export class CopyRefused extends StartRefused {
  override readonly name = 'CopyRefused'
}
