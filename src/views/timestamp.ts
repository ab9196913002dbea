/** A time in the form of the contract's Timestamp: RFC 3339, UTC, milliseconds. */
export function timestampView(time: Date): string {
  return time.toISOString()
}
