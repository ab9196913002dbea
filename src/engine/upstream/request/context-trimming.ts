import type { TurnMessage } from '../../engine.ts'
import type { RefusalBody } from '../refusals/refusal-body.ts'
import { estimateTokens } from '../../tokens.ts'

/** The estimate of each message may be a little low. */
const MOST_KEPT = 0.9
const LEAST_KEPT = 0.05
/** The share when the refusal states no numbers. */
const HALF = 0.5
/** No model reads more: a larger number is something else, such as an id. */
const MOST_TOKENS = 100_000_000

/** A number of tokens in prose. */
const COUNT = '(\\d[\\d,]{1,12})'
/** The limit in the vendors' sentences, the most reliable first. */
const LIMITS = [
  `n_ctx\\D{1,4}${COUNT}`,
  `> ?${COUNT}`,
  `<= ?${COUNT}`,
  `${COUNT} maximum context`,
  `(?:context|prompt) (?:length|size|window|limit)\\D{0,40}?${COUNT}`,
  `(?:maximum|limit|allowed|cannot exceed)\\D{0,40}?${COUNT}`,
].map((pattern) => new RegExp(pattern, 'i'))

/** How many tokens the model reads and how many it was sent, as far as the refusal states it. */
export function statedTokens(body: RefusalBody): { limit?: number; sent?: number } {
  const found = LIMITS.map((pattern) => pattern.exec(body.text)?.[1]).find(Boolean)
  const limit = body.limit ?? (found === undefined ? undefined : toCount(found))
  if (limit === undefined || limit === 0) return {}
  const counts = [...body.text.matchAll(new RegExp(`\\b${COUNT}\\b`, 'g'))]
    .map(([, digits = '']) => toCount(digits))
    .filter((count) => count < MOST_TOKENS)
  const sent = body.sent ?? Math.max(...counts, 0)
  // Servers that stop counting at the limit say "at least".
  const isCounted = sent > limit && !/at least/i.test(body.text)
  return { limit, ...(isCounted && { sent }) }
}

function toCount(digits: string): number {
  return Number(digits.replaceAll(',', ''))
}

/**
 * The share of a conversation that fits the model, by the numbers that the refusal states.
 * @param reserved the tokens reserved for the answer
 */
export function fittingShare(body: RefusalBody, reserved: number): number {
  const { limit, sent } = statedTokens(body)
  if (limit === undefined || sent === undefined) return HALF
  const share = (limit - reserved) / Math.max(sent - reserved, 1)
  return Math.min(Math.max(share, LEAST_KEPT), MOST_KEPT)
}

/**
 * The newest messages that are estimated to fit, beginning with a message of the user. At least the
 * oldest message is dropped, and at least the newest is kept.
 * @param messages two or more, the last of the user
 */
export function dropOldest(messages: readonly TurnMessage[], tokens: number): TurnMessage[] {
  let from = messages.length - 1
  let left = tokens - estimateTokens(messages[from]!.content)
  while (from > 1) {
    left -= estimateTokens(messages[from - 1]!.content)
    if (left < 0) break
    from -= 1
  }
  while (messages[from]!.role === 'assistant') from += 1
  return messages.slice(from)
}
