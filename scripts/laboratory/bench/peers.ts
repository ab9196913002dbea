import { createHash } from 'node:crypto'
import { cp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../../src/lib/package-root.ts'
import { madeOnce } from '../../support/made-once.ts'
import { run } from '../../support/processes.ts'
import { makeVenv } from '../../support/python.ts'

/*
 * The servers that Parley is compared with. Each folder of peers/ is a project with pinned dependencies,
 * installed into a cache outside the repository and kept out of Parley's own dependencies.
 */
const cache = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'parley-bench')
const folderOf = (name: string) => join(packageRoot, 'scripts/laboratory/bench/peers', name)
const INSTALL_LIMIT_MS = 5 * 60_000

/** Installs a peer if necessary and copies its current sources. @returns its folder */
export async function installNodePeer(name: string): Promise<string> {
  const lock = await readFile(join(folderOf(name), 'package-lock.json'), 'utf8').catch(() => '')
  const directory = join(cache, `${name}-${digestOf(lock)}`)
  await madeOnce(directory, async () => {
    await cp(folderOf(name), directory, { recursive: true })
    const parameters = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
    if (lock === '') return
    await run({ program: 'npm', parameters, limitMs: INSTALL_LIMIT_MS }, directory)
  })
  await cp(folderOf(name), directory, { recursive: true })
  await cp(folderOf('shared'), join(cache, 'shared'), { recursive: true })
  return directory
}

/** Installs a peer into a virtual environment; needs Python 3 with venv. @returns its `bin` folder */
export async function installPythonPeer(name: string): Promise<string> {
  const requirements = join(folderOf(name), 'requirements.txt')
  const directory = join(cache, `${name}-${digestOf(await readFile(requirements, 'utf8'))}`)
  await madeOnce(directory, async () => {
    const pip = ['--no-deps', '-r', requirements]
    await makeVenv(directory, { pip, limitMs: INSTALL_LIMIT_MS })
  })
  return join(directory, 'bin')
}

export { folderOf }

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
