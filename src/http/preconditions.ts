/** Whether `If-None-Match` names this version (RFC 9110 13.1.2: weak comparison, `*` for any). */
export function matchesVersion(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  if (header.trim() === '*') return true
  return header.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)
}
