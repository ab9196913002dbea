/** A time as the contract's Timestamp writes it: RFC 3339, UTC, milliseconds. */
export function timestampView(time: Date): string {
  return time.toISOString()
}
