import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StartRefused } from '../start-refused.ts'

const OWNER_ONLY = 0o600
const OTHERS = 0o077
const LINKLESS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']

/** A secret file that cannot be used. The message never quotes the content. */
export class SecretFileMistake extends StartRefused {
  override readonly name = 'SecretFileMistake'
}

/**
 * The text of a secret file, or undefined if there is none.
 * @throws SecretFileMistake if others on this machine may open it
 */
export async function findSecretFile(path: string): Promise<string | undefined> {
  const file = await openIfThere(path)
  if (!file) return undefined
  try {
    const { mode } = await file.stat()
    await refuseIfExposed(path, mode)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/**
 * Writes a new secret file (0600) atomically.
 * @returns false if there is one already: it stays as it is
 */
export async function makeSecretFile(path: string, text: string): Promise<boolean> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomUUID()}.tmp`
  try {
    await writeDurably(draft, text)
    const made = await linkIfFree(draft, path)
    await syncFolder(folder)
    return made
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * The text of a secret file, made at the first call. Two processes that start concurrently get the
 * same text.
 */
export async function findOrMakeSecretFile(
  path: string,
  make: () => string | Promise<string>,
): Promise<string> {
  const found = await findSecretFile(path)
  if (found !== undefined) return found
  const text = await make()
  if (await makeSecretFile(path, text)) return text
  const theirs = await findSecretFile(path)
  if (theirs === undefined)
    throw new SecretFileMistake(`${path} was removed while it was being read.`)
  return theirs
}

/**
 * Refuses a secret that others may open, but only where this user could `chmod 600` it. On a
 * read-only mount (Kubernetes and Docker secrets) or in a file of another user, the mount decides.
 */
async function refuseIfExposed(path: string, mode: number): Promise<void> {
  if (process.platform === 'win32' || (mode & OTHERS) === 0) return
  if (!(await isWritable(path))) return
  throw new SecretFileMistake(
    `${path} contains a secret, but other users of this machine can open it: run "chmod 600 ${path}".`,
  )
}

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  )
}

async function openIfThere(path: string) {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Writes a new file (0600) and waits until it is on disk. @throws EEXIST if there is one */
export async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', OWNER_ONLY)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Uses a hard link, because a rename would silently replace a file that another process just made.
 * Where the file system has no links (network shares), a check and a rename must do.
 */
async function linkIfFree(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    if (!LINKLESS.some((code) => isCode(error, code))) throw error
    return renameIfFree(draft, path)
  }
}

async function renameIfFree(draft: string, path: string): Promise<boolean> {
  const isTaken = await stat(path).then(
    () => true,
    () => false,
  )
  if (!isTaken) await rename(draft, path)
  return !isTaken
}

/** Without this, a power failure could lose the name of a file. Windows has no such call. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Whether an error has this code of the file system. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
