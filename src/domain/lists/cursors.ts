import { createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalJson } from '../../lib/canonical-json.ts'

const LONGEST_CURSOR = 512
const FILTERS_BYTES = 12
const MAC_BYTES = 16

/** The sort key of the last item of a page. */
export type CursorPosition = readonly (string | number)[]

/**
 * A cursor that this server has not issued (`malformed`), or that belongs to another list
 * (`mismatch`).
 */
export class CursorRejected extends Error {
  override readonly name = 'CursorRejected'
  readonly code: 'malformed' | 'mismatch'

  constructor(code: 'malformed' | 'mismatch') {
    super(`The cursor is refused: ${code}.`)
    this.code = code
  }
}

type Filters = Readonly<Record<string, unknown>>

/** Opaque page cursors, each valid only for the list that it was made for. */
export class Cursors {
  readonly #key: Buffer

  /** @param key the derived key for `cursors` */
  constructor(key: Buffer) {
    this.#key = key
  }

  /**
   * Returns a cursor of at most 512 characters. A filter that is undefined counts as absent. The
   * filters have to include the list's name and the caller, or a cursor of one list opens another.
   * @throws RangeError if the position is too long or holds a number that JSON cannot express
   */
  seal(position: CursorPosition, filters: Filters): string {
    const sealed = Buffer.concat([this.#digestOf(filters), encodePosition(position)])
    const cursor = Buffer.concat([this.#macOf(sealed), sealed]).toString('base64url')
    if (cursor.length <= LONGEST_CURSOR) return cursor
    throw new RangeError(`A cursor has at most ${LONGEST_CURSOR} characters.`)
  }

  /** Returns the position that was sealed. @throws CursorRejected */
  open(cursor: string, filters: Filters): CursorPosition {
    const { mac, sealed } = decode(cursor)
    if (!timingSafeEqual(mac, this.#macOf(sealed))) throw new CursorRejected('malformed')
    const isForThese = sealed.subarray(0, FILTERS_BYTES).equals(this.#digestOf(filters))
    if (!isForThese) throw new CursorRejected('mismatch')
    return JSON.parse(sealed.toString('utf8', FILTERS_BYTES)) as CursorPosition
  }

  #macOf(sealed: Buffer): Buffer {
    return digest(this.#key, 'cursor', sealed, MAC_BYTES)
  }

  #digestOf(filters: Filters): Buffer {
    return digest(this.#key, 'filters', canonicalJson(filters), FILTERS_BYTES)
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
