import { asObject } from '../../../lib/json.ts'
import type { TokenUsage } from '../../engine.ts'

/*
 * The usage that an upstream reports is not trusted: a count that the contract cannot express, or
 * that the database cannot store, is unknown.
 */

/**
 * More than any model reads or writes for one answer. Small enough that the sum of two, in one
 * record, fits an int4, and that a report exceeds 2^53 only after 45 million such answers.
 */
const MOST_TOKENS = 100_000_000

/** The counts of a usage as the upstream reports them. */
export type ReportedUsage = { input?: number; output?: number; total?: number; thinking?: number }

/** Reads a usage in any of its forms; undefined when it holds no count. */
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
 * Returns the counts that are consistent. A total smaller than its parts is unknown; where both
 * parts are known, their sum replaces it. A larger total is kept: some servers count reasoning
 * nowhere else.
 * @returns undefined when no count is known
 */
export function normalizeUsage(reported: ReportedUsage): TokenUsage | undefined {
  const inputTokens = reported.input
  const outputTokens = outputOf(reported)
  const totalTokens = totalOf(reported.total, inputTokens, outputTokens)
  if (inputTokens === undefined && outputTokens === undefined && totalTokens === undefined) return
  return {
    ...(inputTokens !== undefined && { inputTokens }),
    ...(outputTokens !== undefined && { outputTokens }),
    ...(totalTokens !== undefined && { totalTokens }),
    source: 'upstream',
  }
}

/** Reasoning is a part of the output, except for servers that count it beside the output. */
function outputOf({ input = 0, output, total, thinking = 0 }: ReportedUsage): number | undefined {
  if (output === undefined) return undefined
  const isBeside = thinking > output || total === input + output + thinking
  const all = isBeside ? output + thinking : output
  return all <= MOST_TOKENS ? all : output
}

function totalOf(total?: number, input?: number, output?: number): number | undefined {
  if (total !== undefined && total >= (input ?? 0) + (output ?? 0)) return total
  return input !== undefined && output !== undefined ? input + output : undefined
}

/** Some servers send 0 for what they did not count, so 0 is unknown. */
function readCount(value: unknown, most: number): number | undefined {
  if (typeof value !== 'number' || !Number.isInteger(value)) return undefined
  return value > 0 && value <= most ? value : undefined
}
