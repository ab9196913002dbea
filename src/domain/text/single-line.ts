/** C0, DEL and C1 controls, and Unicode's own two ends of a line. */
const CONTROLS = /[\p{Cc}\u2028\u2029]/gu
/** Embeddings, overrides and isolates: they can show a name as another. Mere marks (U+200E, U+200F) stay. */
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g

/**
 * A title or a name as it is kept. The contract has refused what is no line (`pattern` of
 * `ConversationTitle`, `DisplayName`, `ApiKeyName`, `Email`) and promises that this is cut, and no more.
 */
export function cutLine(line: string): string {
  return line.trim()
}

/** One line out of any text, held to the same rule; empty where nothing else is in it. */
export function lineOf(text: string): string {
  return cutLine(text.replaceAll(REORDERING, '').replaceAll(CONTROLS, ' '))
}
