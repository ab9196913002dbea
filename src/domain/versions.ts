import { invalidRequest, Problem } from './problem.ts'

const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e]*"$/

/** The strong ETag of a row's version: the same for every caller. */
export function etagOf({ version }: { version: number }): string {
  return `"${version}"`
}

/**
 * The version that `If-Match` asks for, to be compared with the row in the same statement that
 * changes it. Undefined where any version will do (no header, or `*`).
 * RFC 9110 13.1.1: the comparison is strong, so a weak tag never matches.
 * @throws {Problem} invalid-request when it is no list of entity tags
 */
export function expectedVersion(ifMatch: string | undefined): number | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined
  const tags = ifMatch.split(',').map((tag) => tag.trim())
  if (!tags.every((tag) => ENTITY_TAG.test(tag))) {
    const detail = 'must be a list of entity tags'
    throw invalidRequest({ in: 'header', pointer: 'If-Match', code: 'format', detail })
  }
  const versions = tags.map((tag) => Number(/^"(\d{1,9})"$/.exec(tag)?.[1] ?? -1))
  return Math.max(...versions)
}

/** @throws {Problem} precondition-failed, with the version that the thing has now */
export function refuseStale(current: { version: number } | undefined): never {
  if (!current) throw new Problem('not-found')
  throw new Problem('precondition-failed', { etag: etagOf(current) })
}
