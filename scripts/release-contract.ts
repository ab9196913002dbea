import { join } from 'node:path'
import { packageRoot } from '../src/lib/package-root.ts'
import { release } from './contract-gate/gate.ts'

/*
 * Makes a release of openapi/api.yaml: from then on `npm run check` holds the contract to it. Refuses
 * what breaks the release before, and a version that does not say what has changed.
 */
const gate = { directory: join(packageRoot, 'openapi'), today: new Date() }
try {
  const version = await release(gate)
  console.log(
    `Wrote openapi/releases/${version}.yaml, the contract that partners now use. Commit it.`,
  )
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
