import type { ChatRequest, ChatStreamEvent, Message, Problem } from '../../../generated/api.ts'
import type { Client } from '../client.ts'

/** What a caller is told of one answer, however it asked. */
export type ChatResult = {
  /** The text of the body, all of it. */
  raw: string
  status: number
  hasRetryAfter: boolean
  /** The answer as it was kept, whole or not. */
  message?: Message
  /** The pieces, one after the other; only of a stream. */
  pieces?: string
  problem?: Problem
}

/** Asks by `POST /chat`. */
export async function sendChat(client: Client, body: ChatRequest): Promise<ChatResult> {
  const { told, response } = await ask(client, 'sendMessage', body)
  if (!response.ok) return { ...told, problem: JSON.parse(told.raw) as Problem }
  return { ...told, message: (JSON.parse(told.raw) as { message: Message }).message }
}

/** Asks by `POST /chat/stream`, and reads it to its end. */
export async function streamChat(client: Client, body: ChatRequest): Promise<ChatResult> {
  const { told, response } = await ask(client, 'streamMessage', body)
  if (!response.ok) return { ...told, problem: JSON.parse(told.raw) as Problem }
  const events = told.raw.split('\n').flatMap((line) => {
    return line.startsWith('data: ') ? [JSON.parse(line.slice(6)) as ChatStreamEvent] : []
  })
  const pieces = events.map((event) => (event.type === 'message.delta' ? event.text : '')).join('')
  const end = events.at(-1)!
  if (end.type === 'message.end') return { ...told, pieces, message: end.message }
  if (end.type !== 'message.error') throw new Error(`The last event was ${end.type}`)
  return { ...told, pieces, problem: end.problem, ...(end.message && { message: end.message }) }
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
  const told = { raw: await response.text(), status, hasRetryAfter: headers.has('retry-after') }
  return { told, response }
}
