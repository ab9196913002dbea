import { lineOf } from '../domain/single-line.ts'
import { EngineFailure } from './engine.ts'
import type { TokenUsage } from './engine.ts'

/** One event of the stream, reduced to what we use. */
export interface CompletionChunk {
  readonly text?: string
  readonly model?: string
  readonly usage?: TokenUsage
  readonly finished: boolean
  /** False for a chunk that brings the answer no further: such chunks may come for ever. */
  readonly isProgress: boolean
}

type Json = Record<string, unknown>

const MAX_MODEL_LENGTH = 200
/** What the database's integers hold. */
const MOST_TOKENS = 2_147_483_647

/** Reads one `chat.completion.chunk`. Throws EngineFailure for garbage and for an `error` object. */
export function readChunk(data: string): CompletionChunk {
  const chunk = parseObject(data)
  if (chunk['error']) throw failed('the stream carried an error object')
  const choice = firstChoice(chunk['choices'])
  const delta = asObject(choice?.['delta'])
  const text = readText(delta?.['content'])
  const model = readModel(chunk['model'])
  const usage = readUsage(chunk['usage'])
  const finished = typeof choice?.['finish_reason'] === 'string'
  return {
    ...(text !== undefined && { text }),
    ...(model !== undefined && { model: shownModel(model) }),
    ...(usage && { usage }),
    finished,
    isProgress: text !== undefined || usage !== undefined || finished || isThinking(delta),
  }
}

/** The choice that we asked for; a server that gives several numbers them. */
function firstChoice(choices: unknown): Json | undefined {
  if (!Array.isArray(choices)) return undefined
  return choices.map(asObject).find((choice) => choice && (choice['index'] ?? 0) === 0)
}

function readText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Words that are not the answer's, and are not shown: the model's reasoning, under either of its names. */
function isThinking(delta: Json | undefined): boolean {
  return [delta?.['reasoning_content'], delta?.['reasoning']].some(
    (thought) => readText(thought) !== undefined,
  )
}

/**
 * As people are shown it, on one line. Some local servers call a model by the path of its file, and
 * nobody has to know their folders.
 */
export function shownModel(model: string): string {
  const line = lineOf(model) || 'unnamed'
  return /^(?:[A-Za-z]:)?[\\/]/.test(line) ? line.replace(/^.*[\\/](?=[^\\/])/, '') : line
}

/** The first id of a `GET /models` body. Throws EngineFailure when there is none. */
export function readFirstModel(body: string): string {
  const model = readModel(firstObject(parseObject(body)['data'])?.['id'])
  if (model === undefined) throw failed('the upstream lists no model; name one')
  return model
}

export function failed(message: string): EngineFailure {
  return new EngineFailure('upstream-failed', message)
}

function readModel(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  return value.slice(0, MAX_MODEL_LENGTH).replaceAll('\0', '\ufffd').toWellFormed()
}

function readUsage(value: unknown): TokenUsage | undefined {
  const usage = asObject(value)
  const inputTokens = readCount(usage?.['prompt_tokens'])
  const outputTokens = readCount(usage?.['completion_tokens'])
  const known = inputTokens !== undefined && outputTokens !== undefined
  const totalTokens =
    readCount(usage?.['total_tokens']) ?? (known ? inputTokens + outputTokens : undefined)
  if (inputTokens === undefined && outputTokens === undefined && totalTokens === undefined) return
  return {
    ...(inputTokens !== undefined && { inputTokens }),
    ...(outputTokens !== undefined && { outputTokens }),
    ...(totalTokens !== undefined && { totalTokens }),
    source: 'upstream',
  }
}

/** Some servers send 0 for what they did not count: 0 is unknown, and so is what no answer takes. */
function readCount(value: unknown): number | undefined {
  const isCount = Number.isInteger(value) && (value as number) > 0
  return isCount && (value as number) <= MOST_TOKENS ? (value as number) : undefined
}

function parseObject(text: string): Json {
  try {
    const value = asObject(JSON.parse(text))
    if (value) return value
  } catch {
    // Below: no object and no JSON are the same failure, and the text must not be logged.
  }
  throw failed('the upstream sent something other than a JSON object')
}

function firstObject(value: unknown): Json | undefined {
  return Array.isArray(value) ? asObject(value[0]) : undefined
}

function asObject(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : undefined
}
