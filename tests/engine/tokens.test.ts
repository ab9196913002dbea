import { describe, expect, it } from 'vitest'
import { estimateTokens, estimateUsage } from '../../src/engine/tokens.ts'
import { defaultMode } from '../../src/domain/chat/modes.ts'

describe('the estimate of tokens', () => {
  it('counts four Latin characters or one and a half of Hangul as a token, and 0 only for empty text', () => {
    expect(estimateTokens('')).toBe(0)
    expect(estimateTokens('a')).toBe(1)
    expect(estimateTokens('a'.repeat(400))).toBe(100)
    expect(estimateTokens('가'.repeat(150))).toBe(100)
  })

  it('adds up to its total and has the source estimated', () => {
    const messages = [{ role: 'user' as const, content: 'a'.repeat(40) }]
    const turn = { conversationId: 'c', mode: defaultMode, messages }

    expect(estimateUsage(turn, 'b'.repeat(8), 'c'.repeat(20))).toEqual({
      inputTokens: 12,
      outputTokens: 5,
      totalTokens: 17,
      source: 'estimated',
    })
  })
})
