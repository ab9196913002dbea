/**
 * Rotates the keys that sign access tokens, while servers run:
 * `npm run rotate-keys [-- --file FILE] [--overlap-seconds N] [--at-once]`, or
 * `node dist/src/commands/rotate-keys.js` where only the production packages are installed. Without
 * `--file` it changes the file that a server with these settings uses. Prints public key ids and times,
 * never a key.
 */
import { loadConfig } from '../config/config.ts'
import { loadPolicies } from '../assembly/parley.ts'
import { rotateKeys } from './actions/key-rotation.ts'

async function main(): Promise<void> {
  const config = loadConfig(Object.keys(loadPolicies().limits))
  const { report, warning } = await rotateKeys(process.argv.slice(2), config)
  process.stdout.write(report)
  if (warning !== undefined) process.stderr.write(warning)
}

main().catch((error: unknown) => {
  process.stderr.write(
    `No key was rotated.\n${error instanceof Error ? error.message : String(error)}\n`,
  )
  process.exitCode = 1
})
