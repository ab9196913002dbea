import type { Turn, TurnMessage } from './engine.ts'

/** What the upstream is asked (`POST /chat/completions`). */
export function completionRequest({ mode, messages }: Turn, model: string) {
  const system = mode.systemPrompt ? [{ role: 'system', content: mode.systemPrompt }] : []
  return {
    model,
    messages: [...system, ...alternating(messages)],
    temperature: mode.temperature,
    top_p: mode.topP,
    max_tokens: mode.maxOutputTokens,
    stream: true,
    stream_options: { include_usage: true },
  }
}

/**
 * The messages as user and assistant in turn, the user first. The templates of many models refuse
 * anything else, and a history is not always so: an answer that was cancelled before its first word
 * leaves two questions, and a long one is cut anywhere.
 */
function alternating(messages: readonly TurnMessage[]): TurnMessage[] {
  const turns: TurnMessage[] = []
  for (const { role, content } of messages) {
    const last = turns.at(-1)
    if (last?.role === role) {
      turns[turns.length - 1] = { role, content: `${last.content}\n\n${content}` }
    } else if (last || role === 'user') turns.push({ role, content })
  }
  return turns
}
