/**
 * `npm run image-check`: builds the Dockerfile from a clean clone and runs the image (docs/testing.md). It
 * needs no container engine: buildah builds in a chroot. The base image has the name that `FROM` gives, and
 * consists of Debian packages and of Node from the npm registry. The server runs as process 1 of its own
 * namespace, as the user `node`, on a read-only root. Needs root, buildah and mmdebstrap; the check on
 * PostgreSQL needs TEST_DATABASE_URL. Prints `ok` or `FAILED` for each check and exits 1 if one failed.
 */
import { rmSync } from 'node:fs'
import { chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../src/lib/package-root.ts'
import { baseOf, createBuilder } from './image/builder.ts'
import { checkConfig, checkContents } from './image/contents.ts'
import { printed } from './image/printed.ts'
import { checkEmbedded, checkPostgres, checkStopWhileStarting } from './image/runs.ts'

const CLONE_LIMIT_MS = 60_000

const directory = await mkdtemp(join(tmpdir(), 'parley-image-'))
// The user `node` must be able to traverse it to reach the root of the image.
await chmod(directory, 0o755)
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

let failed = 0
const checkout = join(directory, 'clone')
await printed('git', ['clone', '-q', packageRoot, checkout], { limitMs: CLONE_LIMIT_MS })
const builder = createBuilder(directory)
const from = await baseOf(checkout)
await check(`a base with the name ${from}`, () => builder.makeBase(from))
const image = await check('the Dockerfile builds', () => builder.build(checkout))
if (image) {
  const volumes = join(directory, 'volumes')
  await check('it holds what runs, and nothing else', () => checkContents(image))
  await check('it says how it is run', async () => checkConfig(image))
  await check('it runs with one volume', () => checkEmbedded(image, volumes))
  await check('it stops while it starts', () => checkStopWhileStarting(image, volumes))
  const server = process.env['TEST_DATABASE_URL']
  if (server !== undefined)
    await check('it runs on PostgreSQL', () => checkPostgres(image, volumes, server))
}
process.exit(failed === 0 ? 0 : 1)

async function check<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  const startedAtMs = performance.now()
  try {
    const result = await work()
    console.log(
      `ok      ${what} (${String(Math.round((performance.now() - startedAtMs) / 1000))} s)`,
    )
    return result
  } catch (error) {
    failed += 1
    console.log(`FAILED  ${what}\n${(error as Error).message}`)
    return undefined
  }
}
