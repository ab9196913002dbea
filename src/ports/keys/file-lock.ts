import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm } from 'node:fs/promises'
import type { Clock } from '../clock/clock.ts'
import { isCode, writeDurably } from './secret-file.ts'

const LOOK_EVERY_MS = 100
/** Far longer than any process holds the lock: one that still has it then was killed. */
const ABANDONED_AFTER_MS = 10_000

/** The right to change a file, until it is released. */
export type FileLock = {
  /** False if another process took the lock over: the holder must not go on with its change. */
  isHeld(): Promise<boolean>
  release(): Promise<void>
}

/**
 * Waits for the lock file at `path` and takes it. It works between machines that share a folder: it
 * depends on nothing but the folder, neither process ids nor the time of day. A lock file that does
 * not change for 10 s was left behind by a killed process and is taken over.
 */
export async function takeFileLock(path: string, clock: Clock): Promise<FileLock> {
  const token = randomUUID()
  let seen: string | undefined
  let seenAtMs = clock.monotonicMs()
  while (!(await claim(path, token))) {
    const holder = await findText(path)
    if (holder !== seen) [seen, seenAtMs] = [holder, clock.monotonicMs()]
    if (holder !== undefined && clock.monotonicMs() - seenAtMs >= ABANDONED_AFTER_MS) {
      await removeAbandoned(path, holder)
    }
    await clock.wait(LOOK_EVERY_MS)
  }
  const isHeld = async () => (await findText(path)) === token
  return {
    isHeld,
    async release() {
      if (await isHeld()) await rm(path, { force: true })
    },
  }
}

async function claim(path: string, token: string): Promise<boolean> {
  try {
    await writeDurably(path, token)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

async function removeAbandoned(path: string, holder: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return
    throw error
  }
  // Another process may have taken the lock over since it was read: then it gets its lock back.
  if ((await findText(aside)) !== holder) await link(aside, path).catch(() => undefined)
  await rm(aside, { force: true })
}

async function findText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}
