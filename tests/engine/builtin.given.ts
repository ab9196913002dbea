import { beforeAll } from 'vitest'
import { findMode } from '../../src/domain/chat/modes.ts'
import { BuiltinEngine } from '../../src/engine/builtin/builtin.ts'
import type { EnginePart, TurnMessage } from '../../src/engine/engine.ts'

const never = new AbortController().signal

/** Options of an engine that does not wait between words. */
export const instant = { wait: async () => undefined, wordDelayMs: 0 }

export const engine = new BuiltinEngine(instant)

// The first answer loads the rules, which no test should pay for.
beforeAll(() => say('Hello'))

/** The parts of the answer to the last of these messages. */
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

/** Sends these messages in one conversation and returns the answers. */
export async function talk(texts: readonly string[], options = {}): Promise<string[]> {
  const messages: TurnMessage[] = []
  for (const content of texts) {
    messages.push({ role: 'user', content })
    messages.push({ role: 'assistant', content: textOf(await partsOf(messages, options)) })
  }
  return messages.filter(({ role }) => role === 'assistant').map(({ content }) => content)
}

/** Sends these messages in one conversation and returns the last answer. */
export async function say(...texts: string[]): Promise<string> {
  return (await talk(texts)).at(-1)!
}
