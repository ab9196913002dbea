/** What a refusal says, whatever form its body has. Anything here may hold the user's own words: never log it. */
export interface RefusalBody {
  /** Every sentence of it, one a line. */
  readonly text: string
  /** Short words for what is wrong: `code`, `type`, `status`. */
  readonly codes: readonly string[]
  /** The fields that it names: `param`, `loc`. */
  readonly places: readonly string[]
  /** In tokens, where a field says so. */
  readonly limit: number | undefined
  readonly asked: number | undefined
}

/** An echo of the request may be long; what is wrong is said at the beginning. */
const LONGEST_TEXT = 4_000
const DEEPEST = 8
const MOST_ITEMS = 20

const TEXT_KEYS = new Set(['message', 'msg', 'detail', 'error', 'reason', 'title', 'raw'])
const CODE_KEYS = new Set(['code', 'type', 'status', 'error_type'])
const PLACE_KEYS = new Set(['param', 'field', 'loc', 'pointer'])
/** What else may hold a refusal. Not `input` and `ctx`, which repeat the request. */
const INNER_KEYS = new Set(['errors', 'innererror', 'inner_error', 'details', 'metadata'])

interface Heard {
  readonly texts: string[]
  readonly codes: string[]
  readonly places: string[]
  limit: number | undefined
  asked: number | undefined
}

/** Reads the body of a refusal: JSON of any vendor's form, JSON inside its sentences, or plain text. */
export function readRefusalBody(body: string): RefusalBody {
  const heard: Heard = { texts: [], codes: [], places: [], limit: undefined, asked: undefined }
  const value = parse(body)
  if (value === undefined) heard.texts.push(body.replaceAll(/<[^>]{0,200}>/g, ' '))
  else hear(value, 'message', heard, 0)
  const { texts, ...rest } = heard
  return { ...rest, text: texts.join('\n').slice(0, LONGEST_TEXT) }
}

function hear(value: unknown, key: string, heard: Heard, depth: number): void {
  if (depth > DEEPEST) return
  if (typeof value === 'string' || typeof value === 'number') {
    hearWord(value, key, heard, depth)
    return
  }
  if (Array.isArray(value)) {
    if (PLACE_KEYS.has(key)) heard.places.push(value.map(String).join('.'))
    else for (const item of value.slice(0, MOST_ITEMS)) hear(item, key, heard, depth + 1)
    return
  }
  if (typeof value !== 'object' || value === null) return
  for (const [name, inner] of Object.entries(value)) {
    if (isHeard(name)) hear(inner, name, heard, depth + 1)
  }
}

function hearWord(word: string | number, key: string, heard: Heard, depth: number): void {
  if (key === 'n_ctx' && typeof word === 'number') heard.limit = word
  if (key === 'n_prompt_tokens' && typeof word === 'number') heard.asked = word
  // One proxy writes Python's None as a text.
  const text = String(word)
  if (text === '' || text === 'None') return
  if (CODE_KEYS.has(key)) heard.codes.push(text)
  if (PLACE_KEYS.has(key)) heard.places.push(text)
  if (!TEXT_KEYS.has(key)) return
  const inner = parse(text)
  if (inner === undefined) heard.texts.push(text)
  else hear(inner, key, heard, depth + 1)
}

function isHeard(name: string): boolean {
  const sets = [TEXT_KEYS, CODE_KEYS, PLACE_KEYS, INNER_KEYS]
  return sets.some((set) => set.has(name)) || name === 'n_ctx' || name === 'n_prompt_tokens'
}

/** The object or the array that a text is; undefined for any other text. */
function parse(text: string): object | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined
  try {
    return JSON.parse(text) as object
  } catch {
    return undefined
  }
}
