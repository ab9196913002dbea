import { readSaid, type Said } from './completion-delta.ts'
import { EngineFailure } from '../engine.ts'
import type { SourceEvent } from './event-source.ts'
import { type Ending, loggable, readEnding } from './finish-reasons.ts'
import { asObject, hasContent, type Json } from '../../lib/json.ts'
import { believedModel, readUsage, type SaidUsage } from './upstream-words.ts'

/** One event of the stream, or the whole answer at once, reduced to what we use. */
export interface CompletionChunk extends Said {
  readonly model?: string
  readonly usage?: SaidUsage
  readonly ending?: Ending
  /** The server has said all: `[DONE]`, or the answer came whole. */
  readonly isLast?: true
  /** False for a chunk that brings the answer no further: such chunks may come for ever. */
  readonly isProgress: boolean
}

const NOTHING = { isThought: false, isCall: false, isProgress: false }

/** Fields of which one at least is in whatever is a part of an answer, unless it names its kind. */
const PARTS_OF_ANSWER = ['choices', 'usage', 'x_groq']

/**
 * Reads one event of a stream of `chat.completion.chunk`s.
 * @throws EngineFailure for garbage, for an error in any of its forms, and for what is no part of an
 *   answer
 */
export function readEvent({ name, data }: SourceEvent): CompletionChunk {
  if (/error|exception|fail/i.test(name)) throw errorOf('an event', parsed(data))
  if (data === '') return NOTHING
  if (data === '[DONE]') return { ...NOTHING, isLast: true, isProgress: true }
  const isOfAnswer = name === '' || name === 'message'
  const chunk = parsed(data)
  if (chunk && isPartOfAnswer(chunk)) return readChunk(chunk)
  // Whoever gives events names may have some of its own, as a sign of life.
  if (!isOfAnswer || (chunk && isSignOfLife(chunk))) return NOTHING
  throw failed(
    chunk
      ? 'the upstream sent an event that is not part of an answer'
      : 'the upstream sent something other than a JSON object',
  )
}

/**
 * Reads a whole answer, as `"stream": false` gets it.
 * @throws EngineFailure like `readEvent`
 */
export function readWhole(body: string): CompletionChunk {
  const completion = parseObject(body)
  requireNoError(completion)
  const choice = firstChoice(completion['choices'])
  if (!choice) throw failed('the upstream sent JSON that is not an answer')
  const message = { ...choice, delta: choice['message'] ?? choice['delta'] }
  return { ...readChunk({ ...completion, choices: [message] }), isLast: true, isProgress: true }
}

function readChunk(chunk: Json): CompletionChunk {
  const choice = firstChoice(chunk['choices'])
  const groq = asObject(chunk['x_groq'])
  for (const where of [chunk, choice, groq]) if (where) requireNoError(where)
  const said = readSaid(asObject(choice?.['delta'] ?? wholeMessage(chunk, choice)))
  const model = believedModel(chunk['model'])
  const usage = [chunk['usage'], choice?.['usage'], groq?.['usage']]
    .map(readUsage)
    .find((one) => one !== undefined)
  const ending = readEnding(choice?.['finish_reason'])
  const hasSaid = said.text !== undefined || said.isThought || said.isCall
  return {
    ...said,
    ...(model !== undefined && { model }),
    ...(usage && { usage }),
    ...(ending !== undefined && { ending }),
    isProgress: hasSaid || usage !== undefined || ending !== undefined,
  }
}

/** Some servers send a whole answer as the only event of a stream. */
function wholeMessage(chunk: Json, choice: Json | undefined): unknown {
  return chunk['object'] === 'chat.completion' ? choice?.['message'] : undefined
}

/** The choice that we asked for; a server that gives several numbers them. */
function firstChoice(choices: unknown): Json | undefined {
  if (!Array.isArray(choices)) return undefined
  return choices.map(asObject).find((choice) => choice && (choice['index'] ?? 0) === 0)
}

function isPartOfAnswer(chunk: Json): boolean {
  const isChunk = String(chunk['object']).startsWith('chat.completion')
  return isChunk || isError(chunk) || PARTS_OF_ANSWER.some((field) => field in chunk)
}

function isSignOfLife(chunk: Json): boolean {
  return !hasContent(chunk) || chunk['type'] === 'ping'
}

function isError({ error, object, type }: Json): boolean {
  const isTold = typeof error === 'object' ? hasContent(error) : Boolean(error)
  return isTold || object === 'error' || type === 'error'
}

function requireNoError(where: Json): void {
  if (isError(where)) throw errorOf('an object', where)
}

/** An error where a part of the answer was to be. Before its first part it may be a refusal. */
export class ErrorInAnswer extends EngineFailure {
  /** May hold anything: never log it. */
  readonly said: Json

  constructor(message: string, said: Json) {
    super('upstream-failed', message)
    this.said = said
  }
}

/** Of what it says only its name is told: the rest may hold anything. */
function errorOf(form: string, said: Json | undefined): EngineFailure {
  const error = asObject(said?.['error']) ?? said
  const name = [error?.['code'], error?.['type'], said?.['code']]
    .map(loggable)
    .find((one) => one !== 'no name' && one !== 'error')
  const message = `the upstream sent ${form} of an error` + (name === undefined ? '' : ` (${name})`)
  return new ErrorInAnswer(message, said ?? {})
}

/**
 * The first id of a `GET /models` body that can be shown, as it is asked for. Throws EngineFailure
 * when there is none.
 */
export function readFirstModel(body: string): string {
  const { data } = parseObject(body)
  const ids = Array.isArray(data) ? data.map((entry) => asObject(entry)?.['id']) : []
  const id = ids.find((one) => believedModel(one) !== undefined)
  if (typeof id !== 'string') throw failed('the upstream lists no model: set CHAT_UPSTREAM_MODEL')
  return id
}

export function failed(message: string): EngineFailure {
  return new EngineFailure('upstream-failed', message)
}

/** The text must not be logged: no object and no JSON are the same failure. */
function parseObject(text: string): Json {
  const value = parsed(text)
  if (!value) throw failed('the upstream sent something other than a JSON object')
  return value
}

function parsed(text: string): Json | undefined {
  try {
    return asObject(JSON.parse(text))
  } catch {
    return undefined
  }
}
