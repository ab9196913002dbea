import { createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalJson } from '../../lib/canonical-json.ts'

const LONGEST_CURSOR = 512
const FILTERS_BYTES = 12
const MAC_BYTES = 16

/** The values of the sort key that a page ended at. */
export type CursorPosition = readonly (string | number)[]

/** A cursor that is not ours (`malformed`), or that belongs to another list (`mismatch`). */
export class CursorRejected extends Error {
  override readonly name = 'CursorRejected'
  readonly code: 'malformed' | 'mismatch'

  constructor(code: 'malformed' | 'mismatch') {
    super(`The cursor is refused: ${code}.`)
    this.code = code
  }
}

/** Opaque page cursors that only continue the list they came from. */
export interface Cursors {
  /**
   * A cursor of at most 512 characters. A filter that is undefined counts as not given. Let the
   * filters name the list and the caller, or one list's cursor opens another.
   * @throws RangeError if the position is too long or holds a number that JSON has not
   */
  seal(position: CursorPosition, filters: Readonly<Record<string, unknown>>): string
  /**
   * The position that was sealed.
   * @throws CursorRejected
   */
  open(cursor: string, filters: Readonly<Record<string, unknown>>): CursorPosition
}

/** @param key the derived key for `cursors` */
export function createCursors(key: Buffer): Cursors {
  const filtersDigest = (filters: Readonly<Record<string, unknown>>) =>
    digest(key, 'filters', canonicalJson(filters), FILTERS_BYTES)

  return {
    seal(position, filters) {
      const sealed = Buffer.concat([filtersDigest(filters), encodePosition(position)])
      const mac = digest(key, 'cursor', sealed, MAC_BYTES)
      const cursor = Buffer.concat([mac, sealed]).toString('base64url')
      if (cursor.length <= LONGEST_CURSOR) return cursor
      throw new RangeError(`A cursor has at most ${LONGEST_CURSOR} characters.`)
    },
    open(cursor, filters) {
      const { mac, sealed } = decode(cursor)
      const isOurs = timingSafeEqual(mac, digest(key, 'cursor', sealed, MAC_BYTES))
      if (!isOurs) throw new CursorRejected('malformed')
      const isForThese = sealed.subarray(0, FILTERS_BYTES).equals(filtersDigest(filters))
      if (!isForThese) throw new CursorRejected('mismatch')
      return JSON.parse(sealed.toString('utf8', FILTERS_BYTES)) as CursorPosition
    },
  }
}

function decode(cursor: string): { mac: Buffer; sealed: Buffer } {
  if (cursor.length > LONGEST_CURSOR) throw new CursorRejected('malformed')
  const bytes = Buffer.from(cursor, 'base64url')
  const isCanonical = bytes.toString('base64url') === cursor
  if (!isCanonical || bytes.length < MAC_BYTES) throw new CursorRejected('malformed')
  return { mac: bytes.subarray(0, MAC_BYTES), sealed: bytes.subarray(MAC_BYTES) }
}

function encodePosition(position: CursorPosition): Buffer {
  const isExact = position.every((value) => typeof value === 'string' || Number.isFinite(value))
  if (isExact) return Buffer.from(JSON.stringify(position))
  throw new RangeError('A position holds texts and finite numbers only.')
}

function digest(key: Buffer, use: string, data: string | Buffer, bytes: number): Buffer {
  return createHmac('sha256', key).update(`${use}|`).update(data).digest().subarray(0, bytes)
}
