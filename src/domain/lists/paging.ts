import { type CursorPosition, CursorRejected, type Cursors } from './cursors.ts'
import type { Searched } from '../../store/store.ts'
import { invalidRequest, Problem } from '../problem.ts'

/** How many things a page holds if the caller does not say; the contract's default. */
const DEFAULT_LIMIT = 20

export type PageRequest = { limit?: number; cursor?: string }
export type Page<T> = { data: T[]; nextCursor?: string }

/** A list that is read page by page. Its name, its owner and its filters bind its cursors. */
export type List<T> = {
  filters: Readonly<Record<string, unknown>>
  /** Reads up to `limit` things that come after the position; a search, as far as it looks at once. */
  read: (limit: number, after: CursorPosition | undefined) => Promise<T[] | Searched<T>>
  /** Where a thing stands in the list. */
  positionOf: (thing: T) => CursorPosition
}

/**
 * One page of a list. One thing more than asked for is read, to know whether there is another page.
 * A search that has looked at much and found little gives what it found, if only nothing, and where to
 * go on.
 * @throws {Problem} cursor-mismatch for a cursor of another list, invalid-request for one of nobody
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

/** The position of a row in a list that is ordered by its last change, newest first. */
export function positionByChange(row: { updatedAt: Date; id: string }): CursorPosition {
  return [row.updatedAt.getTime(), row.id]
}

/** @see positionByChange */
export function afterChange(position: CursorPosition): { updatedAt: Date; id: string } {
  const [time, id] = position
  return { updatedAt: new Date(Number(time)), id: String(id) }
}
