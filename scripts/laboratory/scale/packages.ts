import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../../src/lib/package-root.ts'

const BYTES_OF_MB = 1_048_576

/** A package in npm's lockfile: the fields that are read here. */
type Locked = {
  dev?: boolean
  optional?: boolean
  devOptional?: boolean
  dependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}
type Lock = Record<string, Locked>
/** The packages of one purpose, including transitive dependencies. */
export type Group = { purpose: string; count: number; mb: number }
export type Packages = { count: number; mb: number; groups: Group[] }

/** Parley's direct dependencies by purpose. A shared package counts for the first purpose. */
const PURPOSES: [string, RegExp][] = [
  ['HTTP and both validations', /^(express|helmet|ajv|yaml$)/],
  ['databases: Prisma, pg, PGlite', /^(@prisma\/|pg|@electric-sql\/)/],
  ['tracing', /^@opentelemetry\//],
  ['log and metrics', /^(pino|prom-client)$/],
  ['identity', /^(bcrypt|jose|@zxcvbn-ts\/|uuid$)/],
  ['limits, upstream, engine', /./],
]

/** Returns what `npm ci --omit=dev --omit=optional` installs, from the lockfile and the local files. */
export async function packagesForRunning(): Promise<Packages> {
  const text = await readFile(join(packageRoot, 'package-lock.json'), 'utf8')
  const { packages: lock } = JSON.parse(text) as { packages: Lock }
  const places = Object.keys(lock).filter((place) => place !== '' && isNeeded(lock[place]!))
  const sizes = new Map<string, number>()
  for (const place of places) sizes.set(place, await mbOf(join(packageRoot, place)))
  const sum = (some: Iterable<string>) =>
    [...some].reduce((mb, place) => mb + (sizes.get(place) ?? 0), 0)
  const rest = new Set(places)
  const names = new Set(Object.keys(lock['']!.dependencies ?? {}))
  const groups = PURPOSES.map(([purpose, pattern]) => {
    const own = [...names].filter((name) => pattern.test(name))
    own.forEach((name) => names.delete(name))
    const brought = [...reach(lock, own)].filter((place) => rest.delete(place))
    return { purpose, count: brought.length, mb: sum(brought) }
  })
  return { count: places.length, mb: sum(places), groups }
}

function isNeeded({ dev, optional, devOptional }: Locked): boolean {
  return !dev && !optional && !devOptional
}

/** Returns the folders of these packages and of everything that they need. */
function reach(lock: Lock, names: readonly string[]): Set<string> {
  const seen = new Set<string>()
  const visit = (name: string, from: string) => {
    const place = find(lock, name, from)
    if (place === undefined || seen.has(place) || !isNeeded(lock[place]!)) return
    seen.add(place)
    const { dependencies, peerDependencies } = lock[place]!
    for (const next of Object.keys({ ...peerDependencies, ...dependencies })) visit(next, place)
  }
  for (const name of names) visit(name, '')
  return seen
}

/** Resolves a package as Node does: in the folder itself, then outwards. */
function find(lock: Lock, name: string, from: string): string | undefined {
  const place = join(from, 'node_modules', name)
  if (lock[place]) return place
  if (from === '') return undefined
  const outer = from.slice(0, Math.max(0, from.lastIndexOf('node_modules') - 1))
  return find(lock, name, outer)
}

/** Returns the size of a package without the packages nested in it. */
async function mbOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const isOwn = (path: string) => !path.slice(folder.length).includes('/node_modules')
  const files = entries.filter((entry) => entry.isFile() && isOwn(join(entry.parentPath, '')))
  const sizes = await Promise.all(
    files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size),
  )
  return sizes.reduce((sum, size) => sum + size, 0) / BYTES_OF_MB
}

/** Describes the packages by purpose. */
export function describePackages({ groups }: Packages): string {
  const parts = groups.map(({ purpose, count, mb }) => `${purpose} ${count} (${mb.toFixed(0)} MB)`)
  return `Packages by purpose: ${parts.join('; ')}. Most of the size is databases in WebAssembly, and their builds for other platforms, which no server loads.`
}
