/** C0, DEL and C1 controls, and Unicode's line and paragraph separators. */
const CONTROLS = /[\p{Cc}\u2028\u2029]/gu
/**
 * Embeddings, overrides and isolates: they can disguise a name. The marks U+200E and U+200F stay.
 */
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g

/**
 * Trims a title or a name before it is stored. The contract has already refused what is not one
 * line (`pattern` of `ConversationTitle`, `DisplayName`, `ApiKeyName`, `Email`), and promises that
 * only this is changed.
 */
export function cutLine(line: string): string {
  return line.trim()
}

/** Makes any text one line under the same rule; empty when nothing remains. */
export function lineOf(text: string): string {
  return cutLine(text.replaceAll(REORDERING, '').replaceAll(CONTROLS, ' '))
}
