/**
 * The content of a refusal, whatever its form. All of it may hold the user's words: never log it.
 */
export interface RefusalBody {
  /** Its sentences, one a line. */
  readonly text: string
  /** Error codes: `code`, `type`, `status`. */
  readonly codes: readonly string[]
  /** The fields at fault: `param`, `loc`. */
  readonly places: readonly string[]
  /** The tokens that the model reads, where a field says so. */
  readonly limit: number | undefined
  /** The tokens that it was sent, where a field says so. */
  readonly sent: number | undefined
}

/** A refusal may repeat the whole request; the reason comes first. */
const LONGEST_TEXT = 4_000
const DEEPEST = 8
const MOST_ITEMS = 20

const TEXT_KEYS = new Set(['message', 'msg', 'detail', 'error', 'reason', 'title', 'raw'])
const CODE_KEYS = new Set(['code', 'type', 'status', 'error_type'])
const PLACE_KEYS = new Set(['param', 'field', 'loc', 'pointer'])
/** What else may contain a refusal. Not `input` and `ctx`, which repeat the request. */
const INNER_KEYS = new Set(['errors', 'innererror', 'inner_error', 'details', 'metadata'])

interface Findings {
  readonly texts: string[]
  readonly codes: string[]
  readonly places: string[]
  limit: number | undefined
  sent: number | undefined
}

/**
 * Reads the body of a refusal: JSON in any vendor's form, JSON within its sentences, or plain text.
 */
export function readRefusalBody(body: string): RefusalBody {
  const found: Findings = { texts: [], codes: [], places: [], limit: undefined, sent: undefined }
  const value = parse(body)
  if (value === undefined) found.texts.push(body.replaceAll(/<[^>]{0,200}>/g, ' '))
  else collect(value, 'message', found, 0)
  const { texts, ...rest } = found
  return { ...rest, text: texts.join('\n').slice(0, LONGEST_TEXT) }
}

function collect(value: unknown, key: string, found: Findings, depth: number): void {
  if (depth > DEEPEST) return
  if (typeof value === 'string' || typeof value === 'number') {
    collectWord(value, key, found, depth)
    return
  }
  if (Array.isArray(value)) {
    if (PLACE_KEYS.has(key)) found.places.push(value.map(String).join('.'))
    else for (const item of value.slice(0, MOST_ITEMS)) collect(item, key, found, depth + 1)
    return
  }
  if (typeof value !== 'object' || value === null) return
  for (const [name, inner] of Object.entries(value)) {
    if (isRelevant(name)) collect(inner, name, found, depth + 1)
  }
}

function collectWord(word: string | number, key: string, found: Findings, depth: number): void {
  if (key === 'n_ctx' && typeof word === 'number') found.limit = word
  if (key === 'n_prompt_tokens' && typeof word === 'number') found.sent = word
  // One proxy sends Python's None as a text.
  const text = String(word)
  if (text === '' || text === 'None') return
  if (CODE_KEYS.has(key)) found.codes.push(text)
  if (PLACE_KEYS.has(key)) found.places.push(text)
  if (!TEXT_KEYS.has(key)) return
  const inner = parse(text)
  if (inner === undefined) found.texts.push(text)
  else collect(inner, key, found, depth + 1)
}

function isRelevant(name: string): boolean {
  const sets = [TEXT_KEYS, CODE_KEYS, PLACE_KEYS, INNER_KEYS]
  return sets.some((set) => set.has(name)) || name === 'n_ctx' || name === 'n_prompt_tokens'
}

/** Parses an object or an array; undefined for any other text. */
function parse(text: string): object | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined
  try {
    return JSON.parse(text) as object
  } catch {
    return undefined
  }
}
