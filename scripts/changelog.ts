import { join } from 'node:path'
import { packageRoot } from '../src/lib/package-root.ts'
import { writeChanges } from './contract-gate/gate.ts'

/*
 * `npm run changelog`: writes what the contract adds to the newest release into openapi/CHANGELOG.md,
 * under info.version.
 */
const gate = { directory: join(packageRoot, 'openapi'), today: new Date() }
try {
  console.log(`openapi/CHANGELOG.md has an entry for ${await writeChanges(gate)}`)
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
