import { EngineFailure } from './engine.ts'
import type { TokenUsage } from './engine.ts'
import { believedModel, believedUsage } from './upstream-words.ts'

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

/** Reads one `chat.completion.chunk`. Throws EngineFailure for garbage and for an `error` object. */
export function readChunk(data: string): CompletionChunk {
  const chunk = parseObject(data)
  if (chunk['error']) throw failed('the stream carried an error object')
  const choice = firstChoice(chunk['choices'])
  const delta = asObject(choice?.['delta'])
  const text = readText(delta?.['content'])
  const model = believedModel(chunk['model'])
  const usage = readUsage(chunk['usage'])
  // Some servers send an empty one with every chunk: nothing has finished by that.
  const finished = readText(choice?.['finish_reason']) !== undefined
  return {
    ...(text !== undefined && { text }),
    ...(model !== undefined && { model }),
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
 * The first id of a `GET /models` body that can be shown, as it is asked for. Throws EngineFailure
 * when there is none.
 */
export function readFirstModel(body: string): string {
  const { data } = parseObject(body)
  const ids = Array.isArray(data) ? data.map((entry) => asObject(entry)?.['id']) : []
  const id = ids.find((one) => believedModel(one) !== undefined)
  if (typeof id !== 'string') throw failed('the upstream lists no model; name one')
  return id
}

export function failed(message: string): EngineFailure {
  return new EngineFailure('upstream-failed', message)
}

function readUsage(value: unknown): TokenUsage | undefined {
  const usage = asObject(value)
  if (!usage) return undefined
  const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = usage
  return believedUsage({ input, output, total })
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

function asObject(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : undefined
}
