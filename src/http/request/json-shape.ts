const DEEPEST = 32
/** Colons and commas; a body that Parley accepts has some dozens. */
const MOST_MARKS = 2_000

const QUOTE = 34
const BACKSLASH = 92
const COLON = 58
const COMMA = 44
const OPENING: readonly number[] = [91, 123]
const CLOSING: readonly number[] = [93, 125]

/**
 * Measures JSON before it is parsed: its depth, its width and the number of keys in the text. Each
 * key has one colon outside of strings, so if the parsed value has fewer keys, an object had one
 * twice, and `JSON.parse` has silently kept the last. The width is bounded because the validator
 * takes 0.1 s to refuse 30,000 unknown keys.
 */
export function checkJson(text: string): { keys: number } | 'too-deep' | 'too-wide' {
  let keys = 0
  let commas = 0
  let depth = 0
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charCodeAt(i)
    if (char === QUOTE) i = endOfString(text, i)
    else if (char === COLON) keys += 1
    else if (char === COMMA) commas += 1
    else if (OPENING.includes(char)) depth += 1
    else if (CLOSING.includes(char)) depth -= 1
    if (depth > DEEPEST) return 'too-deep'
    if (keys + commas > MOST_MARKS) return 'too-wide'
  }
  return { keys }
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end === -1 ? text.length : end
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1
  return backslashes % 2 === 1
}
