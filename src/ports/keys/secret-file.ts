import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StartRefused } from '../start-refused.ts'

const OWNER_ONLY = 0o600
const OTHERS = 0o077
const LINKLESS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']

/** A file that holds a secret and cannot be used as it is. Its message never shows the content. */
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
 * Writes a secret file (0600) whole or not at all, and never over another.
 * @returns false if the path was taken: what is there is untouched
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
 * The text of a secret file, made at the first call. Two processes that start at the same moment
 * get the same text.
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
 * A secret that others may open is refused only where `chmod 600` is ours to do. On a read-only
 * mount (Kubernetes and Docker secrets) or in another's file, the mount decides who reads it.
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

/** Writes a new file (0600) and waits until the disk has it. @throws EEXIST if there is one */
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
 * A hard link, because renaming would silently replace a file that another process just made.
 * Where the file system has no links (network shares), a look and a rename must do.
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

/** Without this, a power cut could forget a file's name. Windows has no such call. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Whether an error is the file system's, with this code. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
