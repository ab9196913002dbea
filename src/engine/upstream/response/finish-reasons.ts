import type { FinishReason } from '../../engine.ts'
import { loggable } from './loggable-word.ts'

/**
 * Why an answer ended: a reason of the contract; a tool call, of which the contract says nothing;
 * or a reason that is not known.
 */
export type Ending = FinishReason | 'tools' | { readonly unknown: string }

/** Sent while the answer has not ended. */
const NOT_YET = ['', 'null', 'none', 'undefined', 'finish_reason_unspecified']

const WORDS: Record<FinishReason | 'tools', readonly string[]> = {
  stop: ['stop', 'end_turn', 'stop_sequence', 'eos', 'eos_token', 'complete', 'completed'],
  length: [
    ...['length', 'max_tokens', 'max_output_tokens', 'max_length', 'model_length'],
    ...['model_context_window_exceeded', 'compaction'],
  ],
  contentFilter: [
    ...['content_filter', 'content_filtered', 'safety', 'image_safety', 'recitation', 'language'],
    ...['blocklist', 'prohibited_content', 'spii', 'sensitive', 'refusal', 'error_toxic'],
    ...['guardrail_intervened'],
  ],
  tools: ['tool_calls', 'tool_call', 'tool_use', 'function_call'],
}

const ENDINGS = new Map(
  (['stop', 'length', 'contentFilter', 'tools'] as const).flatMap((ending) =>
    WORDS[ending].map((word) => [word, ending] as const),
  ),
)

/**
 * Reads a `finish_reason`, in any case; undefined while the answer has not ended. An unknown reason
 * counts as a failure: servers invent new words for failures, hardly ever for success
 * (docs/decisions/0021).
 */
export function readEnding(value: unknown): Ending | undefined {
  if (typeof value !== 'string') return undefined
  const word = value.trim().toLowerCase()
  if (NOT_YET.includes(word)) return undefined
  return ENDINGS.get(word.replaceAll('-', '_')) ?? { unknown: loggable(word) }
}
