/**
 * Runs the built server with a longer contract: `enlarged-server.ts <operations> <file>`. When the warm-up
 * has ended, writes the times of the start and the warm-up into the file.
 */
import { writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import type * as ConfigModule from '../../../src/config/config.ts'
import { loadContract } from '../../../src/contract/document.ts'
import type { Operations } from '../../../src/operations/operation.ts'
import type * as ParleyModule from '../../../src/assembly/parley.ts'
import { packageRoot } from '../../../src/lib/package-root.ts'
import { enlarge } from './enlarged-contract.ts'

/** Milliseconds from the contract in memory until the server listens, and of the warm-up after that. */
export type EnlargedStart = { startMs: number; warmUpMs: number; operations: number }

const [operations, file] = process.argv.slice(2)
const built = (name: string) => import(pathToFileURL(join(packageRoot, 'dist/src', name)).href)
const { loadConfig } = (await built('config/config.js')) as typeof ConfigModule
const { createParley, loadPolicies } = (await built('assembly/parley.js')) as typeof ParleyModule
const { contract, copies } = enlarge(loadContract(), Number(operations))
const config = loadConfig(Object.keys(loadPolicies(contract).limits))

const startedAtMs = performance.now()
const parley = await createParley(config, { contract, operations: withCopies })
const { port, host } = config.server
await new Promise<void>((resolve) => parley.server.listen(port, host, resolve))
const listening = performance.now()
await parley.warmUp()
const start: EnlargedStart = {
  startMs: listening - startedAtMs,
  warmUpMs: performance.now() - listening,
  operations: parley.policies.operations.length,
}
await writeFile(file!, JSON.stringify(start))
process.on('SIGTERM', () => void parley.stop(1).then(() => process.exit()))

/** Returns the handlers of the originals, under the names of the copies too. */
function withCopies(real: Operations): Operations {
  const all: Record<string, unknown> = { ...real }
  for (const [copy, original] of copies) all[copy] = real[original as keyof Operations]
  return all as Operations
}
