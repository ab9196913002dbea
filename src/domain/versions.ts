import { invalidRequest, Problem } from './problem.ts'

/** RFC 9110 8.8.3; a tag may hold a comma. */
const ENTITY_TAG = /(?:W\/)?"[\x21\x23-\x7e]*"/g
const ENTITY_TAGS = new RegExp(`^ *${ENTITY_TAG.source}(?: *, *${ENTITY_TAG.source})* *$`)
/** What proxies that compress append within the quotes: Apache, Caddy, lighttpd; Jetty with two hyphens. */
const CODING_MARK = /--?(?:gzip|br|zstd|deflate)"$/
/** A tag as `etagOf` writes it. */
const OURS = /^"([1-9]\d{0,8})"$/

/** The strong ETag of a row's version: the same for every caller. */
export function etagOf({ version }: { version: number }): string {
  return `"${version}"`
}

/**
 * The versions that `If-Match` asks for, to be compared with the row in the same statement that
 * changes it. Undefined where any version will do (no header, or `*`).
 * RFC 9110 13.1.1: the comparison is strong, so a weak tag never matches. Empty where none of the
 * tags can ever match.
 * @throws {Problem} invalid-request when it is no list of entity tags
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

/** The tag that we sent, of one that a proxy marked with the coding that it applied. */
export function withoutCodingMark(tag: string): string {
  return tag.replace(CODING_MARK, '"')
}

/**
 * @param expected what `If-Match` asked for; where nothing can match, reading again would not help
 * @throws {Problem} precondition-failed, with the version that the thing has now
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
