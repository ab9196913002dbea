import type { Turn, TurnMessage } from '../../engine.ts'
import type { RequestPart, RequestShape } from './request-shape.ts'

/** The body of `POST /chat/completions`, in the shape that the model accepts. */
export function completionRequest(turn: Turn, model: string, shape: RequestShape) {
  const { temperature, topP, maxOutputTokens } = turn.mode
  const { lengthParameter, streamUsage } = shape
  return {
    model,
    messages: withInstructions(turn, shape),
    ...(shape.temperature && temperature !== undefined && { temperature }),
    ...(shape.topP && topP !== undefined && { top_p: topP }),
    ...(lengthParameter !== 'none' && { [lengthParameter]: maxOutputTokens }),
    stream: true,
    ...(streamUsage && { stream_options: { include_usage: true } }),
  }
}

/** The parts of such a request that the upstream may refuse. */
export function partsSent({ mode }: Turn, shape: RequestShape): RequestPart[] {
  const { temperature, topP, lengthParameter, systemRole, streamUsage } = shape
  const isSent: Record<RequestPart, boolean> = {
    temperature: temperature && mode.temperature !== undefined,
    topP: topP && mode.topP !== undefined,
    length: lengthParameter !== 'none',
    system: systemRole !== 'user' && mode.systemPrompt !== '',
    streamUsage,
  }
  return (Object.keys(isSent) as RequestPart[]).filter((part) => isSent[part])
}

/** The messages, with the mode's system prompt before them or in the first. */
function withInstructions({ mode, messages }: Turn, { systemRole }: RequestShape) {
  const turns = alternating(messages)
  const content = mode.systemPrompt
  if (content === '') return turns
  if (systemRole !== 'user') return [{ role: systemRole, content }, ...turns]
  const [first, ...rest] = turns
  return [{ role: 'user', content: [content, first?.content].join('\n\n') }, ...rest]
}

/**
 * The messages as user and assistant in turn, the user first. The templates of many models refuse
 * anything else, and a history is not always so: an answer that was cancelled before its first word
 * leaves two messages of the user, and a long history is cut anywhere.
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
