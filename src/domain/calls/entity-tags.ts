import { invalidRequest, Problem } from '../problem.ts'
import type { Call } from './call.ts'

/** RFC 9110 8.8.3; a tag may hold a comma. */
const ENTITY_TAG = /(?:W\/)?"[\x21\x23-\x7e]*"/g
const ENTITY_TAGS = new RegExp(`^ *${ENTITY_TAG.source}(?: *, *${ENTITY_TAG.source})* *$`)
/**
 * Compressing proxies append it within the quotes: Apache, Caddy, lighttpd; Jetty with two hyphens.
 */
const CODING_MARK = /--?(?:gzip|br|zstd|deflate)"$/
/** A tag as `etagOf` writes it. */
const OURS = /^"([1-9]\d{0,8})"$/

/** A call that changes a resource, and the versions of it that the call accepts: any when undefined. */
export type GuardedCall = { expectedVersions: readonly number[] | undefined; call: Call }

/** The strong ETag of a row's version: the same for every caller. */
export function etagOf({ version }: { version: number }): string {
  return `"${version}"`
}

/**
 * The versions that `If-Match` names, to be compared with the row in the statement that changes it.
 * Undefined when any version is accepted (no header, or `*`). The comparison is strong (RFC 9110
 * 13.1.1), so a weak tag never matches; empty when none of the tags can match.
 * @throws {Problem} invalid-request when the header is no list of entity tags
 */
export function expectedVersions(ifMatch: string | undefined): number[] | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined
  if (!ENTITY_TAGS.test(ifMatch)) {
    const detail = 'must be a list of entity tags'
    throw invalidRequest({ in: 'header', pointer: 'If-Match', code: 'format', detail })
  }
  const tags = ifMatch.match(ENTITY_TAG) ?? []
  return tags.flatMap((tag) => OURS.exec(withoutCodingMark(tag))?.[1] ?? []).map(Number)
}

/** The tag as this server sent it, without the coding that a proxy has appended. */
export function withoutCodingMark(tag: string): string {
  return tag.replace(CODING_MARK, '"')
}

/**
 * Refuses a change of a resource that has another version than expected.
 * @param expected the versions of `If-Match`; when it is empty, reading the resource again cannot
 *   help
 * @throws {Problem} precondition-failed, with the current version; not-found
 */
export function refuseStale(
  current: { version: number } | undefined,
  expected: readonly number[] | undefined,
): never {
  if (!current) throw new Problem('not-found')
  const detail = 'If-Match contains no entity tag that can match. Weak tags (W/) never match.'
  throw new Problem('precondition-failed', {
    etag: etagOf(current),
    ...(expected?.length === 0 && { detail }),
  })
}
