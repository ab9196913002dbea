import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../src/package-root.ts'
import { type Command, run } from '../sdks/processes.ts'

/*
 * The servers that Parley is compared with. Each folder of peers/ is a project of its own, with what
 * it needs pinned; they are installed into a cache outside of the repository, and stay out of Parley's
 * own dependencies.
 */
const cache = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'parley-bench')
const folderOf = (name: string) => join(packageRoot, 'scripts/bench/peers', name)
const INSTALL_LIMIT_MS = 5 * 60_000

/** Where a peer is installed, with its sources as they are now. */
export async function installNodePeer(name: string): Promise<string> {
  const lock = await readFile(join(folderOf(name), 'package-lock.json'), 'utf8').catch(() => '')
  const directory = join(cache, `${name}-${digestOf(lock)}`)
  await once(directory, async () => {
    await cp(folderOf(name), directory, { recursive: true })
    const parameters = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
    if (lock !== '') await run(command('npm', ...parameters), directory)
  })
  await cp(folderOf(name), directory, { recursive: true })
  await cp(folderOf('shared'), join(cache, 'shared'), { recursive: true })
  return directory
}

/** @returns the folder of the programs of a virtual environment. Needs Python 3 with venv. */
export async function installPythonPeer(name: string): Promise<string> {
  const requirements = join(folderOf(name), 'requirements.txt')
  const directory = join(cache, `${name}-${digestOf(await readFile(requirements, 'utf8'))}`)
  await once(directory, async () => {
    await run(command('python3', '-m', 'venv', directory), packageRoot)
    const pip = ['install', '--quiet', '--disable-pip-version-check', '--no-deps']
    await run(command(join(directory, 'bin/pip'), ...pip, '-r', requirements), packageRoot)
  })
  return join(directory, 'bin')
}

export { folderOf }

function command(program: string, ...parameters: string[]): Command {
  return { program, parameters, limitMs: INSTALL_LIMIT_MS }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** Makes a folder where it is not there yet: whole, or not at all. */
async function once(directory: string, make: () => Promise<void>): Promise<void> {
  const mark = join(directory, 'complete')
  if (existsSync(mark)) return
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  await make()
  await writeFile(mark, '')
}
