import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, chown, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Clock } from '../clock/clock.ts'
import { takeFileLock } from './file-lock.ts'
import {
  findSecretFile,
  isCode,
  SecretFileMistake,
  syncFolder,
  writeDurably,
} from './secret-file.ts'

const DRAFT_ENDING = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/

/**
 * Replaces the text of a secret file by one made from it, atomically: a reader at any moment, or after
 * a power failure, finds one text or the other. Only the owner may read the file (0600). Concurrent
 * changes are made one after the other, and the second sees the first.
 * @returns the new text
 * @throws SecretFileMistake if the file is missing, open to others, or may not be replaced; then it is
 *   unchanged
 */
export async function changeSecretFile(
  path: string,
  change: (text: string) => string | Promise<string>,
  clock: Clock,
): Promise<string> {
  // A link is kept and its target replaced; the rename happens in the folder of the target.
  const target = await findTarget(path)
  const lock = await takeFileLock(`${target}.lock`, clock)
  try {
    await removeDrafts(target)
    const before = await readOwn(target)
    const after = await change(before)
    await replace(target, after, async () => {
      if ((await lock.isHeld()) && (await findSecretFile(target)) === before) return
      throw new SecretFileMistake(
        `${path} was changed by another process in the meantime. Retry the command.`,
      )
    })
    return after
  } finally {
    await lock.release()
  }
}

async function findTarget(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
    throw new SecretFileMistake(`${path} does not exist. Create it with "npm run secrets".`)
  }
}

async function readOwn(path: string): Promise<string> {
  const text = await findSecretFile(path)
  if (text === undefined)
    throw new SecretFileMistake(`${path} was removed while it was being read.`)
  // A rename would circumvent this: a read-only file is a mounted copy, or another user's.
  await access(path, constants.W_OK).catch(() => {
    throw new SecretFileMistake(`${path} cannot be written here. Change it at its source.`)
  })
  return text
}

async function replace(path: string, text: string, confirm: () => Promise<void>): Promise<void> {
  const draft = `${path}.${randomUUID()}.tmp`
  try {
    await writeDurably(draft, text)
    await keepOwner(path, draft)
    await confirm()
    await rename(draft, path)
    await syncFolder(dirname(path))
  } finally {
    await rm(draft, { force: true })
  }
}

/** If root made this change, say, servers could not read a file that belongs to root. */
async function keepOwner(path: string, draft: string): Promise<void> {
  const [{ uid, gid }, made] = await Promise.all([stat(path), stat(draft)])
  if (uid === made.uid) return
  await chown(draft, uid, gid).catch(() => {
    throw new SecretFileMistake(`${path} belongs to another user: run this command as that user.`)
  })
}

/**
 * A killed process leaves its draft, which contains secrets. A process that was only slow finds its
 * draft deleted, and so cannot put it in place any more.
 */
async function removeDrafts(path: string): Promise<void> {
  const folder = dirname(path)
  const start = `${basename(path)}.`
  const drafts = (await readdir(folder)).filter(
    (name) => name.startsWith(start) && DRAFT_ENDING.test(name.slice(start.length)),
  )
  await Promise.all(drafts.map((name) => rm(join(folder, name), { force: true })))
}
