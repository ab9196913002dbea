import { expect } from 'vitest'
import { defaultMode } from '../../src/domain/chat/modes.ts'
import { EngineFailure } from '../../src/engine/engine.ts'
import type { EnginePart, Turn, TurnMessage } from '../../src/engine/engine.ts'
import { OpenAiCompatibleEngine } from '../../src/engine/upstream/openai-compatible.ts'
import type { OpenAiCompatibleOptions } from '../../src/engine/upstream/openai-compatible.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import type { TestUpstream } from '../support/upstream/upstream.ts'

const never = new AbortController().signal

export const KEY = 'sk-very-secret'

/** The text of the user, which no log entry and no failure may contain. */
export const SAID = 'What the user said of temperature'

/** A turn with these messages, the last by the user and each other one by the other side. */
export function turnOf(...messages: string[]): Turn {
  const history = messages.map((content, index): TurnMessage => {
    const isUsers = (messages.length - index) % 2 === 1
    return { role: isUsers ? 'user' : 'assistant', content }
  })
  return { conversationId: 'c1', mode: defaultMode, messages: history }
}

/** An engine that retries without a wait, and what it logs. */
export function engineFor(upstream: TestUpstream, options: Partial<OpenAiCompatibleOptions> = {}) {
  const logged: { facts: Record<string, unknown>; message: string }[] = []
  const info = (facts: Record<string, unknown>, message: string) => {
    logged.push({ facts, message })
  }
  const wait = async (ms: number, signal?: AbortSignal) => {
    if (ms >= 1_000) await systemClock.wait(60_000, signal)
  }
  const engine = new OpenAiCompatibleEngine({
    url: upstream.url,
    key: KEY,
    idleTimeoutMs: 5_000,
    clock: { ...systemClock, monotonicMs: () => 0, wait },
    random: () => 0.5,
    log: { info } as NonNullable<OpenAiCompatibleOptions['log']>,
    ...options,
  })
  return { engine, logged }
}

/** The last part of the answer. */
export async function endOf(engine: OpenAiCompatibleEngine, turn: Turn, signal = never) {
  const parts: EnginePart[] = []
  for await (const part of engine.answer(turn, signal)) parts.push(part)
  return parts.at(-1)!
}

/** The failure of the answer; fails the test when there is none. */
export async function failureOf(
  engine: OpenAiCompatibleEngine,
  turn = turnOf(SAID),
  signal = never,
) {
  const failure = await endOf(engine, turn, signal).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(failure).toBeInstanceOf(EngineFailure)
  return failure as EngineFailure
}

export type Body = Record<string, unknown> & { messages: { role: string; content: string }[] }
