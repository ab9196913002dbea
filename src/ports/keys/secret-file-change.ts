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
 * Replaces the text of a secret file by another made from it, whole or not at all: who reads it at
 * any moment, or after a power cut, finds the one or the other. It stays its owner's alone (0600).
 * Two changes at the same moment come one after the other, and the second sees the first.
 * @returns the new text
 * @throws SecretFileMistake if the file is missing, open to others, or not ours to replace; then it
 *   is as it was
 */
export async function changeSecretFile(
  path: string,
  change: (text: string) => string | Promise<string>,
  clock: Clock,
): Promise<string> {
  // The file behind a link is replaced, never the link; its folder must be able to rename it.
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
  // Renaming would get around it: a read-only file is a mounted copy, or another's.
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

/** Run by root, say, the servers would no longer be able to read what only root may. */
async function keepOwner(path: string, draft: string): Promise<void> {
  const [{ uid, gid }, made] = await Promise.all([stat(path), stat(draft)])
  if (uid === made.uid) return
  await chown(draft, uid, gid).catch(() => {
    throw new SecretFileMistake(`${path} belongs to another user: run this command as that user.`)
  })
}

/**
 * A killed process leaves its draft, secrets and all. One that was only taken for dead finds its
 * own gone, and so cannot put it in place any more.
 */
async function removeDrafts(path: string): Promise<void> {
  const folder = dirname(path)
  const start = `${basename(path)}.`
  const drafts = (await readdir(folder)).filter(
    (name) => name.startsWith(start) && DRAFT_ENDING.test(name.slice(start.length)),
  )
  await Promise.all(drafts.map((name) => rm(join(folder, name), { force: true })))
}
