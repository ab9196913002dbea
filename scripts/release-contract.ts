import { join } from 'node:path'
import { packageRoot } from '../src/lib/package-root.ts'
import { release } from './contract-gate/gate.ts'

/*
 * `npm run release-contract`: releases openapi/api.yaml. From then on, `npm run check` rejects changes
 * that break this release. Fails if the contract breaks the previous release, or if its version does not
 * match its changes.
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
