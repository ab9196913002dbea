/**
 * Moves all data from the embedded database in DATA_DIR to the empty PostgreSQL database of
 * DATABASE_URL: `npm run move-to-postgres`, or `node dist/src/commands/move-to-postgres.js` where only the
 * production packages are installed. No server may run on either. Prints no secret.
 */
import { loadMove } from '../config/config.ts'
import { refusalByDatabase } from '../store/store.ts'
import { moveToPostgres } from './actions/data-move.ts'

async function main(): Promise<void> {
  process.stdout.write(await moveToPostgres(loadMove()))
}

main().catch((error: unknown) => {
  const expected = refusalByDatabase(error) ?? error
  const text = expected instanceof Error ? expected.message : String(expected)
  process.stderr.write(`No data was moved.\n${text}\n`)
  process.exitCode = 1
})
