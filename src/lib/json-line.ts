/** Line ends of Unicode that JSON does not escape, but Python's `splitlines`, say, splits at. */
const LINE_ENDS = /[\u0085\u2028\u2029]/g

/** A value as JSON on one line for every reader: in events, exports and the log. */
export function jsonLine(value: unknown): string {
  return escapeLineEnds(JSON.stringify(value))
}

/** The same JSON with Unicode's line ends escaped; JSON itself escapes CR and LF. */
export function escapeLineEnds(json: string): string {
  return json.replaceAll(LINE_ENDS, escapeUnit)
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
