import type { TurnMessage } from '../../engine.ts'
import type { RefusalBody } from '../refusals/refusal-body.ts'
import { estimateTokens } from '../../tokens.ts'

/** An estimate may be a little off for each message. */
const MOST_KEPT = 0.9
const LEAST_KEPT = 0.05
/** Where nothing is told of how much is too much. */
const HALF = 0.5
/** No model reads more: a longer number is something else, such as an id. */
const MOST_TOKENS = 100_000_000

/** A number of tokens, as prose writes it. */
const COUNT = '(\\d[\\d,]{1,12})'
/** The limit in the sentences of the vendors, the surest first. */
const LIMITS = [
  `n_ctx\\D{1,4}${COUNT}`,
  `> ?${COUNT}`,
  `<= ?${COUNT}`,
  `${COUNT} maximum context`,
  `(?:context|prompt) (?:length|size|window|limit)\\D{0,40}?${COUNT}`,
  `(?:maximum|limit|allowed|cannot exceed)\\D{0,40}?${COUNT}`,
].map((pattern) => new RegExp(pattern, 'i'))

/** How many tokens the model reads and how many it was given, as far as the refusal tells. */
export function statedTokens(said: RefusalBody): { limit?: number; asked?: number } {
  const found = LIMITS.map((pattern) => pattern.exec(said.text)?.[1]).find(Boolean)
  const limit = said.limit ?? (found === undefined ? undefined : toCount(found))
  if (limit === undefined || limit === 0) return {}
  const counts = [...said.text.matchAll(new RegExp(`\\b${COUNT}\\b`, 'g'))]
    .map(([, digits = '']) => toCount(digits))
    .filter((count) => count < MOST_TOKENS)
  const asked = said.asked ?? Math.max(...counts, 0)
  // "At least so many" is said by those who stopped counting at the limit.
  const isCounted = asked > limit && !/at least/i.test(said.text)
  return { limit, ...(isCounted && { asked }) }
}

function toCount(digits: string): number {
  return Number(digits.replaceAll(',', ''))
}

/**
 * Which part of a conversation to keep, by what the refusal tells.
 * @param reserved tokens that were asked for the answer
 */
export function fittingShare(said: RefusalBody, reserved: number): number {
  const { limit, asked } = statedTokens(said)
  if (limit === undefined || asked === undefined) return HALF
  const share = (limit - reserved) / Math.max(asked - reserved, 1)
  return Math.min(Math.max(share, LEAST_KEPT), MOST_KEPT)
}

/**
 * The newest messages that are estimated to fit, beginning with one of the user. At least one message
 * is left out, and at least the newest is kept.
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
