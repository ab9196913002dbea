import type { ChatRequest, ChatStreamEvent, Message, Problem } from '../../../generated/api.ts'
import type { Client } from '../client.ts'

/** The result of one chat call, whole or streamed. */
export type ChatResult = {
  /** The whole body as text. */
  raw: string
  status: number
  hasRetryAfter: boolean
  /** The stored answer, complete or not. */
  message?: Message
  /** The joined text of the deltas; only of a stream. */
  pieces?: string
  problem?: Problem
}

/** Calls `POST /chat`. */
export async function sendChat(client: Client, body: ChatRequest): Promise<ChatResult> {
  const { result, response } = await ask(client, 'sendMessage', body)
  if (!response.ok) return { ...result, problem: JSON.parse(result.raw) as Problem }
  return { ...result, message: (JSON.parse(result.raw) as { message: Message }).message }
}

/** Calls `POST /chat/stream` and reads the stream to its end. */
export async function streamChat(client: Client, body: ChatRequest): Promise<ChatResult> {
  const { result, response } = await ask(client, 'streamMessage', body)
  if (!response.ok) return { ...result, problem: JSON.parse(result.raw) as Problem }
  const events = result.raw.split('\n').flatMap((line) => {
    return line.startsWith('data: ') ? [JSON.parse(line.slice(6)) as ChatStreamEvent] : []
  })
  const pieces = events.map((event) => (event.type === 'message.delta' ? event.text : '')).join('')
  const end = events.at(-1)!
  if (end.type === 'message.end') return { ...result, pieces, message: end.message }
  if (end.type !== 'message.error') throw new Error(`The last event was ${end.type}`)
  return { ...result, pieces, problem: end.problem, ...(end.message && { message: end.message }) }
}

async function ask(
  client: Client,
  operationId: 'sendMessage' | 'streamMessage',
  body: ChatRequest,
) {
  const response = await fetch(client.urlOf(operationId), {
    method: 'POST',
    headers: { ...client.credentials, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  const { status, headers } = response
  const result = { raw: await response.text(), status, hasRetryAfter: headers.has('retry-after') }
  return { result, response }
}
