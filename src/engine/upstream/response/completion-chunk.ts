import { asObject, hasContent, type Json } from '../../../lib/json.ts'
import { upstreamFailed } from '../connection/upstream-failures.ts'
import { displayModel } from '../model-name.ts'
import { type Delta, readDelta } from './delta.ts'
import type { ServerSentEvent } from './event-stream-parser.ts'
import { type Ending, readEnding } from './finish-reasons.ts'
import { parseJsonObject, requireJsonObject } from './json-object.ts'
import { isError, ReportedError, requireNoError } from './reported-error.ts'
import { readUsage, type ReportedUsage } from './reported-usage.ts'

/** One event of a stream, or a whole answer, reduced to what Parley uses. */
export interface CompletionChunk extends Delta {
  readonly model?: string
  readonly usage?: ReportedUsage
  readonly ending?: Ending
  /** The answer is over: the server sent `[DONE]`, or a whole answer. */
  readonly isLast?: true
  /** False for a chunk without content: a server may send such chunks for ever. */
  readonly isProgress: boolean
}

const EMPTY_CHUNK = { isReasoning: false, isToolCall: false, isProgress: false }

/** A part of an answer has at least one of these fields, unless its `object` names its kind. */
const ANSWER_FIELDS = ['choices', 'usage', 'x_groq']

/**
 * Reads one event of a stream of `chat.completion.chunk`s.
 * @throws EngineFailure for malformed data, for an error in any form, and for what is no part of an
 *   answer
 */
export function readEvent({ name, data }: ServerSentEvent): CompletionChunk {
  if (/error|exception|fail/i.test(name)) {
    throw new ReportedError('an event', parseJsonObject(data))
  }
  if (data === '') return EMPTY_CHUNK
  if (data === '[DONE]') return { ...EMPTY_CHUNK, isLast: true, isProgress: true }
  const chunk = parseJsonObject(data)
  if (chunk && isPartOfAnswer(chunk)) return readChunk(chunk)
  // A server that names its events may send some of its own to keep the connection open.
  const isNamed = name !== '' && name !== 'message'
  if (isNamed || (chunk && isKeepAlive(chunk))) return EMPTY_CHUNK
  throw upstreamFailed(
    chunk
      ? 'the upstream sent an event that is not part of an answer'
      : 'the upstream sent something other than a JSON object',
  )
}

/**
 * Reads a whole answer, the reply to a request with `"stream": false`.
 * @throws EngineFailure like `readEvent`
 */
export function readWhole(body: string): CompletionChunk {
  const completion = requireJsonObject(body)
  requireNoError(completion)
  const choice = firstChoice(completion['choices'])
  if (!choice) throw upstreamFailed('the upstream sent JSON that is not an answer')
  const message = { ...choice, delta: choice['message'] ?? choice['delta'] }
  return { ...readChunk({ ...completion, choices: [message] }), isLast: true, isProgress: true }
}

function readChunk(chunk: Json): CompletionChunk {
  const choice = firstChoice(chunk['choices'])
  const groq = asObject(chunk['x_groq'])
  for (const part of [chunk, choice, groq]) if (part) requireNoError(part)
  const delta = readDelta(asObject(choice?.['delta'] ?? wholeMessage(chunk, choice)))
  const model = displayModel(chunk['model'])
  const usage = [chunk['usage'], choice?.['usage'], groq?.['usage']]
    .map(readUsage)
    .find((one) => one !== undefined)
  const ending = readEnding(choice?.['finish_reason'])
  const hasDelta = delta.text !== undefined || delta.isReasoning || delta.isToolCall
  return {
    ...delta,
    ...(model !== undefined && { model }),
    ...(usage && { usage }),
    ...(ending !== undefined && { ending }),
    isProgress: hasDelta || usage !== undefined || ending !== undefined,
  }
}

/** Some servers send a whole answer as the only event of a stream. */
function wholeMessage(chunk: Json, choice: Json | undefined): unknown {
  return chunk['object'] === 'chat.completion' ? choice?.['message'] : undefined
}

/** The first choice: a server that sends several numbers them. */
function firstChoice(choices: unknown): Json | undefined {
  if (!Array.isArray(choices)) return undefined
  return choices.map(asObject).find((choice) => choice && (choice['index'] ?? 0) === 0)
}

function isPartOfAnswer(chunk: Json): boolean {
  const isChunk = String(chunk['object']).startsWith('chat.completion')
  return isChunk || isError(chunk) || ANSWER_FIELDS.some((field) => field in chunk)
}

function isKeepAlive(chunk: Json): boolean {
  return !hasContent(chunk) || chunk['type'] === 'ping'
}
