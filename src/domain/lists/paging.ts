import { type CursorPosition, CursorRejected, type Cursors } from './cursors.ts'
import type { Searched } from '../../store/store.ts'
import { invalidRequest, Problem } from '../problem.ts'

/** The contract's default page size. */
const DEFAULT_LIMIT = 20

export type PageRequest = { limit?: number; cursor?: string }
export type Page<T> = { data: T[]; nextCursor?: string }

/** A list that is read page by page. Its filters, with its name and owner, bind its cursors. */
export type List<T> = {
  filters: Readonly<Record<string, unknown>>
  /** Reads up to `limit` items after the position; a search may stop earlier. */
  read: (limit: number, after: CursorPosition | undefined) => Promise<T[] | Searched<T>>
  /** The sort key of an item. */
  positionOf: (item: T) => CursorPosition
}

/**
 * Returns one page of a list. One item more than asked for is read, to know whether another page
 * follows. A search that has examined many rows returns what it found, possibly nothing, and a
 * cursor to continue from.
 * @throws {Problem} cursor-mismatch for a cursor of another list; invalid-request for one that this
 *   server has not issued
 */
export async function readPage<T>(
  cursors: Cursors,
  list: List<T>,
  { limit = DEFAULT_LIMIT, cursor }: PageRequest,
): Promise<Page<T>> {
  const after = cursor === undefined ? undefined : openCursor(cursors, cursor, list.filters)
  const read = await list.read(limit + 1, after)
  const { found, lookedUpTo } = Array.isArray(read) ? { found: read } : read
  const data = found.slice(0, limit)
  const last = found.length > limit ? data.at(-1) : lookedUpTo
  if (last === undefined) return { data }
  return { data, nextCursor: cursors.seal(list.positionOf(last), list.filters) }
}

function openCursor(
  cursors: Cursors,
  cursor: string,
  filters: Readonly<Record<string, unknown>>,
): CursorPosition {
  try {
    return cursors.open(cursor, filters)
  } catch (error) {
    if (!(error instanceof CursorRejected)) throw error
    if (error.code === 'mismatch') throw new Problem('cursor-mismatch')
    const detail = 'is not a cursor from this server'
    throw invalidRequest({ in: 'query', pointer: 'cursor', code: 'format', detail })
  }
}

/** The position of a row in a list that is ordered by last change, the newest first. */
export function positionByChange(row: { updatedAt: Date; id: string }): CursorPosition {
  return [row.updatedAt.getTime(), row.id]
}

/** Reads a position of `positionByChange`. */
export function afterChange(position: CursorPosition): { updatedAt: Date; id: string } {
  const [time, id] = position
  return { updatedAt: new Date(Number(time)), id: String(id) }
}
