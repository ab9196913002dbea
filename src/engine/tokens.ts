import type { TokenUsage, Turn } from './engine.ts'

/**
 * Roughly measured on common byte-pair vocabularies: prose in Latin script, and Hangul, Han or
 * Kana.
 */
const LATIN_CHARACTERS_PER_TOKEN = 4
const CJK_CHARACTERS_PER_TOKEN = 1.5

const CJK =
  /[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+/g

/**
 * Estimates the tokens of a text, for engines that do not count them: 0 only for the empty text.
 */
export function estimateTokens(text: string): number {
  // An array of all matches would take up to thirty times as long.
  const other = text.replaceAll(CJK, '').length
  const cjk = text.length - other
  return Math.ceil(cjk / CJK_CHARACTERS_PER_TOKEN + other / LATIN_CHARACTERS_PER_TOKEN)
}

/**
 * Estimates the usage of an answer.
 * @param systemPrompt the mode's prompt, or '' if it was not sent
 */
export function estimateUsage(turn: Turn, systemPrompt: string, answer: string): TokenUsage {
  const inputTokens = turn.messages.reduce(
    (sum, { content }) => sum + estimateTokens(content),
    estimateTokens(systemPrompt),
  )
  const outputTokens = estimateTokens(answer)
  return { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens, source: 'estimated' }
}
