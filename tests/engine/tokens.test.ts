import { describe, expect, it } from 'vitest'
import { estimateTokens, estimateUsage } from '../../src/engine/tokens.ts'
import { defaultMode } from '../../src/domain/chat/modes.ts'

describe('the estimate of tokens', () => {
  it('is about four Latin characters or one and a half Hangul a token, and 0 only for nothing', () => {
    expect(estimateTokens('')).toBe(0)
    expect(estimateTokens('a')).toBe(1)
    expect(estimateTokens('a'.repeat(400))).toBe(100)
    expect(estimateTokens('가'.repeat(150))).toBe(100)
  })

  it('sums up to its total and says that it is an estimate', () => {
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
