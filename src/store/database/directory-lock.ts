import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { StartRefused } from '../../ports/start-refused.ts'

type Holder = { pid: number; startedAt: string }

const heldHere = new Set<string>()

/**
 * Takes the lock file at `path` for this process; takes over one that a dead process has left behind.
 * Tells processes of one machine apart, but not containers that share a volume.
 * @returns a function that releases it
 * @throws StartRefused when a live process, this one included, holds it, or when it names no process
 */
export function lockDirectory(path: string): () => void {
  if (heldHere.has(path)) throw new StartRefused(heldMessage(path, process.pid))
  const own = `${path}.${String(process.pid)}`
  // Flushed: after a power cut, a lock still names its holder.
  writeFileSync(own, JSON.stringify(describe(process.pid)), { mode: 0o600, flush: true })
  try {
    claim(path, own)
  } finally {
    rmSync(own, { force: true })
  }
  heldHere.add(path)
  return () => {
    if (heldHere.delete(path)) rmSync(path, { force: true })
  }
}

function claim(path: string, own: string): void {
  while (!linked(own, path)) {
    const text = readLock(path)
    if (text !== undefined) removeStale(path, text)
  }
}

// A hard link appears with its content or not at all, unlike a file opened and then written.
function linked(own: string, path: string): boolean {
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function removeStale(path: string, text: string): void {
  const holder = parseHolder(path, text)
  if (holder !== undefined && isAlive(holder)) {
    throw new StartRefused(heldMessage(path, holder.pid))
  }
  const aside = `${path}.${String(process.pid)}.stale`
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  // Another process may have taken over since the file was read: it gets its lock back.
  if (readLock(aside) !== text) linked(aside, path)
  rmSync(aside, { force: true })
}

function isAlive({ pid, startedAt }: Holder): boolean {
  // This process does not hold the lock (checked before), so an earlier one had the same pid, as every
  // start in a container does.
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return describe(pid).startedAt === startedAt
}

/** A pid is reused; together with the start time of its process it is unique. */
function describe(pid: number): Holder {
  return { pid, startedAt: readStartTime(pid) }
}

// Field 22 of /proc/<pid>/stat, see proc(5). Empty where there is no /proc: the pid decides.
function readStartTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie: it was killed, but its parent has not waited for it, as in some containers.
    return state === 'Z' ? 'ended' : (fields[18] ?? '')
  } catch {
    return ''
  }
}

function readLock(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Undefined where a power cut has left the file without content. */
function parseHolder(path: string, text: string): Holder | undefined {
  if (/^[\s\0]*$/.test(text)) return undefined
  const holder = parseJson(text)
  if (isHolder(holder)) return holder
  throw new StartRefused(
    `${path} does not say which process has this data directory open. Make sure that no process does, delete the file and start again.`,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null) return false
  const { pid, startedAt } = value as Partial<Holder>
  return Number.isSafeInteger(pid) && pid! > 0 && typeof startedAt === 'string'
}

function heldMessage(path: string, pid: number): string {
  return `Process ${String(pid)} has this data directory open (${path}), and only one process at a time can. Stop that process or set another DATA_DIR; to run several processes, set DATABASE_URL.`
}
