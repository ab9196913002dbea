import type { Client } from '../database/query.ts'
import { type Message, toMessage } from '../messages/message.ts'
import * as endings from './ending-statements.ts'
import type { Abandoned, Ending } from './ending.ts'
import {
  type Generation,
  type KeptGeneration,
  type Progress,
  type Renewal,
  type Renewed,
  toGeneration,
  toKept,
} from './generation.ts'
import { start } from './start.ts'
import * as statements from './statements.ts'

type Owned = { id: string; ownerId: string }

/**
 * Removes a running generation and both its messages, and the conversation if the generation started
 * it: as if it had never been requested. Does nothing when it is not running.
 */
async function undo({ prisma }: Client, { generationId }: { generationId: string }): Promise<void> {
  await endings.undo(prisma, generationId)
}

/**
 * Ends a generation and writes its usage. Of several concurrent calls exactly one does.
 * @returns undefined when it no longer runs or its conversation is gone
 */
async function finish(
  { query }: Client,
  ending: Ending,
): Promise<{ message: Message } | undefined> {
  const [row] = await endings.finish(query, ending)
  return row && { message: toMessage(row) }
}

/**
 * Ends the generations that no process writes any more: those whose lease has expired, or all when
 * this is the only process. This process writes those of `except`. Their text stays as it was saved,
 * and their usage is written.
 * @returns how many
 */
async function interruptAbandoned({ query }: Client, abandoned: Abandoned): Promise<number> {
  const [row] = await endings.interruptAbandoned(query, abandoned)
  return row?.interrupted ?? 0
}

/** Stores the text so far and renews the lease. */
async function saveProgress({ query }: Client, progress: Progress): Promise<Renewed> {
  const [row] = await statements.saveProgress(query, progress)
  if (!row) return 'gone'
  return row.cancel ? 'to-be-cancelled' : 'renewed'
}

/** A generation that is not in the map has ended: it has no lease to renew. */
async function renewLeases(
  { query }: Client,
  which: { ids: string[] } & Renewal,
): Promise<Map<string, Renewed>> {
  const rows = await statements.renewLeases(query, which)
  return new Map(rows.map(({ id, cancel }) => [id, cancel ? 'to-be-cancelled' : 'renewed']))
}

/** Asks the process that writes it to stop. False when it is not running. */
async function requestCancel(
  { prisma }: Client,
  { id, ownerId, now }: Owned & { now: Date },
): Promise<boolean> {
  const { count } = await prisma.generation.updateMany({
    where: { id, ownerId, status: 'running' },
    data: { cancelRequestedAt: now },
  })
  return count > 0
}

/** With both its messages: all that its stream is made of. */
async function findKept({ query }: Client, which: Owned): Promise<KeptGeneration | undefined> {
  const [row] = await statements.findKept(query, which)
  return row && toKept(row)
}

async function find({ query }: Client, which: Owned): Promise<Generation | undefined> {
  const [row] = await statements.find(query, which)
  return row && toGeneration(row)
}

/**
 * The answers of the model, at most one running in each conversation. A statement that touches more than a
 * generation locks its conversation first, so that no two of them can wait for each other.
 */
export const generationVerbs = {
  start,
  undo,
  finish,
  interruptAbandoned,
  saveProgress,
  renewLeases,
  requestCancel,
  findKept,
  find,
}
