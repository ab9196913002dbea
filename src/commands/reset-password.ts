/**
 * Sets a new password for an account, while a server runs or not:
 * `npm run reset-password -- EMAIL [--generate] [--enable]`, or
 * `node dist/src/commands/reset-password.js EMAIL` where only the production packages are installed. The
 * password is asked for, read from standard input, or made and printed once. Every session of the account
 * ends.
 */
import { loadConfig } from '../config/config.ts'
import { loadPolicies } from '../assembly/parley.ts'
import { StartRefused } from '../ports/start-refused.ts'
import { refusalByDatabase } from '../store/store.ts'
import { resetPassword } from './actions/password-reset.ts'

async function main(): Promise<void> {
  const config = loadConfig(Object.keys(loadPolicies().limits))
  const { report, password } = await resetPassword(process.argv.slice(2), config)
  process.stderr.write(`${report}\n`)
  if (password !== undefined) process.stdout.write(`${password}\n`)
}

main().then(
  // Exits although standard input may be a pipe that stays open.
  () => process.exit(0),
  (error: unknown) => {
    const expected = error instanceof StartRefused ? error : refusalByDatabase(error)
    const text = expected?.message ?? (error instanceof Error ? error.stack : String(error))
    process.stderr.write(`No password was changed.\n${text}\n`)
    process.exit(1)
  },
)
