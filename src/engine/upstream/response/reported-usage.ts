import type { TokenUsage } from '../../engine.ts'
import { asObject } from '../../../lib/json.ts'
import { cleanText } from '../../clean-text.ts'

/*
 * What an upstream says of an answer is a stranger's word. Here it becomes what the contract can say
 * and the database can keep, or nothing: what cannot be kept is not known.
 */

/** As long as the contract lets a model's name be, in UTF-16 units. */
const LONGEST_MODEL = 200
/**
 * More than any model reads or writes at a time. Small enough that the sum of two, in one record, fits
 * an int4, and that only 45 million such answers would bring a report beyond 2^53.
 */
const MOST_TOKENS = 100_000_000
/** C0 and C1 controls, line separators, and what turns the direction of a line. */
const NOT_OF_A_LINE = /[\p{Cc}\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/u

/** The numbers of a usage, as the upstream said them. */
export type ReportedUsage = { input?: number; output?: number; total?: number; thinking?: number }

/** A usage in any of its forms; undefined where it holds no count. */
export function readUsage(value: unknown): ReportedUsage | undefined {
  const usage = asObject(value)
  if (!usage) return undefined
  const details = asObject(usage['completion_tokens_details'] ?? usage['output_tokens_details'])
  const input = readCount(usage['prompt_tokens'] ?? usage['input_tokens'], MOST_TOKENS)
  const output = readCount(usage['completion_tokens'] ?? usage['output_tokens'], MOST_TOKENS)
  const total = readCount(usage['total_tokens'], 2 * MOST_TOKENS)
  const thinking = readCount(details?.['reasoning_tokens'], MOST_TOKENS)
  if (input === undefined && output === undefined && total === undefined) return undefined
  return {
    ...(input !== undefined && { input }),
    ...(output !== undefined && { output }),
    ...(total !== undefined && { total }),
    ...(thinking !== undefined && { thinking }),
  }
}

/**
 * The usage as far as it can be believed. A total that is less than what it is the total of is
 * unknown; where both parts are known, their sum takes its place. A total may be more: some servers
 * count what a model thinks nowhere else.
 * @returns undefined when nothing of it is known
 */
export function normalizeUsage(said: ReportedUsage): TokenUsage | undefined {
  const inputTokens = said.input
  const outputTokens = outputOf(said)
  const totalTokens = readTotal(said.total, inputTokens, outputTokens)
  if (inputTokens === undefined && outputTokens === undefined && totalTokens === undefined) return
  return {
    ...(inputTokens !== undefined && { inputTokens }),
    ...(outputTokens !== undefined && { outputTokens }),
    ...(totalTokens !== undefined && { totalTokens }),
    source: 'upstream',
  }
}

/** Thinking is a part of the output, but for servers that count it beside it. */
function outputOf({ input = 0, output, total, thinking = 0 }: ReportedUsage): number | undefined {
  if (output === undefined) return undefined
  const isBeside = thinking > output || total === input + output + thinking
  const all = isBeside ? output + thinking : output
  return all <= MOST_TOKENS ? all : output
}

function readTotal(total?: number, input?: number, output?: number): number | undefined {
  if (total !== undefined && total >= (input ?? 0) + (output ?? 0)) return total
  return input !== undefined && output !== undefined ? input + output : undefined
}

/** Some servers send 0 for what they did not count: 0 is unknown. */
function readCount(value: unknown, most: number): number | undefined {
  if (typeof value !== 'number' || !Number.isInteger(value)) return undefined
  return value > 0 && value <= most ? value : undefined
}

/** The name of a model as it may be shown; undefined for what is none. */
export function displayModel(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const model = shownModel(value)
  const isName = model !== '' && model.length <= LONGEST_MODEL && model === cleanText(model)
  return isName && !NOT_OF_A_LINE.test(model) ? model : undefined
}

/** Some local servers call a model by the path of its file, and nobody has to know their folders. */
function shownModel(model: string): string {
  return /^(?:[A-Za-z]:)?[\\/]/.test(model) ? model.replace(/^.*[\\/](?=[^\\/])/, '') : model
}
