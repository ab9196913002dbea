import { expect } from 'vitest'
import { defaultMode } from '../../src/domain/chat/modes.ts'
import { EngineFailure } from '../../src/engine/engine.ts'
import type { EnginePart, Turn } from '../../src/engine/engine.ts'
import { OpenAiCompatibleEngine } from '../../src/engine/upstream/openai-compatible.ts'
import type { OpenAiCompatibleOptions } from '../../src/engine/upstream/openai-compatible.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import type { TestUpstream, UpstreamScript } from '../support/upstream/upstream.ts'

export const never = new AbortController().signal

export const KEY = 'sk-very-secret'

/** The shortest stream with a whole answer. */
export const SOUND_STREAM = 'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n'

export function turn(text = 'Hi', mode = defaultMode): Turn {
  return { conversationId: 'c1', mode, messages: [{ role: 'user', content: text }] }
}

/** An engine for the upstream, and the waits between its attempts. */
export function engineFor(upstream: TestUpstream, options: Partial<OpenAiCompatibleOptions> = {}) {
  const waits: number[] = []
  const engine = new OpenAiCompatibleEngine({
    url: upstream.url,
    key: KEY,
    idleTimeoutMs: 5_000,
    clock: clockThatSkips(waits),
    random: () => 0.5,
    ...options,
  })
  return { engine, waits }
}

/** Skips the waits between attempts, and never ends the longer ones, which end the call to a silent upstream. */
export function clockThatSkips(waits: number[] = []) {
  return {
    ...systemClock,
    monotonicMs: () => 0,
    wait: async (ms: number, signal?: AbortSignal) => {
      if (ms >= 1_000) return systemClock.wait(60_000, signal)
      waits.push(ms)
    },
  }
}

/** Reads the answer to its end; `into` keeps the parts that came before a failure. */
export async function read(parts: AsyncIterable<EnginePart>, into: EnginePart[] = []) {
  for await (const part of parts) into.push(part)
  return into
}

export function textOf(parts: EnginePart[]): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

/** Reads one answer of an upstream with this script: the parts, the failure, the waits and the calls. */
export async function play(script: UpstreamScript, options?: Partial<OpenAiCompatibleOptions>) {
  await using upstream = await startUpstream(script)
  const { engine, waits } = engineFor(upstream, options)
  const parts: EnginePart[] = []
  const failure = await read(engine.answer(turn(), never), parts).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (failure !== undefined) expect(failure).toBeInstanceOf(EngineFailure)
  const { calls, completions } = upstream
  return { parts, failure: failure as EngineFailure | undefined, waits, calls, completions }
}

/** A stream of these events. */
export function streamOf(events: readonly (object | string)[], lineEnd = '\n'): UpstreamScript {
  const lines = events.map((event) =>
    typeof event === 'string' ? event : `data: ${JSON.stringify(event)}`,
  )
  const body = lines.map((line) => line + lineEnd + lineEnd).join('')
  return { reply: { contentType: 'text/event-stream', body } }
}

/** A chunk with this content. */
export const says = (content: unknown, more: object = {}) => ({
  choices: [{ index: 0, delta: { content }, ...more }],
})

/** A chunk with this delta. */
export const deltaOf = (delta: object) => ({ choices: [{ index: 0, delta }] })

export const DONE = 'data: [DONE]'

/** A chunk with this finish reason. */
export const ends = (reason: unknown) => says('', { finish_reason: reason })

/** An answer that is not streamed. */
export const WHOLE = {
  object: 'chat.completion',
  model: 'whole-1',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Yes' }, finish_reason: 'length' }],
  usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
}

/** A reply with this body instead of a stream. */
export function wholeOf(body: object, contentType = 'application/json'): UpstreamScript {
  return { reply: { contentType, body: JSON.stringify(body) } }
}
