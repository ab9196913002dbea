import type { FinishReason } from '../../engine.ts'

/**
 * How an answer ended, in the words of its upstream: for a reason that the contract has; for a tool,
 * which ends it as well and of which the contract says nothing; or for one that is not known.
 */
export type Ending = FinishReason | 'tools' | { readonly unknown: string }

/** Written where nothing has ended yet. */
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
 * Reads a `finish_reason`, in capitals or not; undefined while nothing has ended. A word that is not
 * among these ends nothing well: the words for a failure have no end, those for success hardly change
 * (docs/decisions/0021).
 */
export function readEnding(value: unknown): Ending | undefined {
  if (typeof value !== 'string') return undefined
  const word = value.trim().toLowerCase()
  if (NOT_YET.includes(word)) return undefined
  return ENDINGS.get(word.replaceAll('-', '_')) ?? { unknown: loggable(word) }
}

/** A word of an upstream that can stand in our log: a name made of letters, and nothing else. */
export function loggable(word: unknown): string {
  const isName =
    typeof word === 'string' && word.length <= 60 && /^[a-z]+([_-][a-z]+)*$/i.test(word)
  if (isName) return word
  return typeof word === 'number' && Number.isInteger(word) ? String(word) : 'no name'
}
