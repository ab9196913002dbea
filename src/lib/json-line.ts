/** What Unicode takes for a line's end and JSON leaves as it is: Python's `splitlines`, say, and what is built on it. */
const LINE_ENDS = /[\u0085\u2028\u2029]/g

/** A value as JSON on one line, whichever line ends a reader knows: in events, exports and the log. */
export function jsonLine(value: unknown): string {
  return escapeLineEnds(JSON.stringify(value))
}

/** JSON that says the same with its line ends escaped; CR and LF were by whoever made it. */
export function escapeLineEnds(json: string): string {
  return json.replaceAll(LINE_ENDS, escapeUnit)
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
