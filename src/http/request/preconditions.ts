import { withoutCodingMark } from '../../domain/calls/entity-tags.ts'

/** Whether `If-None-Match` names this version (RFC 9110 13.1.2: weak comparison, `*` for any). */
export function matchesVersion(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  if (header.trim() === '*') return true
  const tags = header.split(',').map((one) => one.trim().replace(/^W\//, ''))
  return tags.some((tag) => tag === etag || withoutCodingMark(tag) === etag)
}
