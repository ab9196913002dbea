import { beforeAll } from 'vitest'
import { findMode } from '../../src/domain/chat/modes.ts'
import { BuiltinEngine } from '../../src/engine/builtin/builtin.ts'
import type { EnginePart, TurnMessage } from '../../src/engine/engine.ts'

const never = new AbortController().signal

export const instant = { wait: async () => undefined, wordDelayMs: 0 }

export const engine = new BuiltinEngine(instant)

beforeAll(() => say('Hello'))

export async function partsOf(
  messages: readonly TurnMessage[],
  { on = engine, mode = 'balanced', conversationId = 'c1' } = {},
): Promise<EnginePart[]> {
  const parts: EnginePart[] = []
  const turn = { conversationId, mode: findMode(mode)!, messages }
  for await (const part of on.answer(turn, never)) parts.push(part)
  return parts
}

export function textOf(parts: EnginePart[]): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

/** Says everything in one conversation, and gives the answers. */
export async function talk(said: readonly string[], options = {}): Promise<string[]> {
  const messages: TurnMessage[] = []
  for (const content of said) {
    messages.push({ role: 'user', content })
    messages.push({ role: 'assistant', content: textOf(await partsOf(messages, options)) })
  }
  return messages.filter(({ role }) => role === 'assistant').map(({ content }) => content)
}

export async function say(...said: string[]): Promise<string> {
  return (await talk(said)).at(-1)!
}
