import { expect } from 'vitest'
import type { Client } from '../support/client.ts'
import { openStream, textOf } from '../support/wire/stream.ts'

/** For the reader of the log: what a real model said, and how fast. */
export function tell(what: string, text: string, startedMs: number): void {
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
  console.log(`${what} (${seconds} s): ${JSON.stringify(text.slice(0, 120))}`)
}

/** As it is kept. */
export async function lastMessage(client: Client, conversationId: string) {
  const { body } = await client.expect(200, 'getConversation', { path: { conversationId } })
  return body.messages.at(-1)!
}

/** Says something, reads the answer event by event and holds it against what is kept. */
export async function converse(client: Client, message: string, conversationId?: string) {
  const startedMs = performance.now()
  const request = { message, mode: 'concise', ...(conversationId && { conversationId }) }
  const stream = await openStream(client, request)
  expect(stream.status).toBe(200)
  const events = await stream.rest()
  const text = textOf(events)
  tell(message, text, startedMs)
  const end = events.at(-1)!.event
  if (end.type !== 'message.end') throw new Error(`It ended with ${JSON.stringify(end)}`)
  expect(events.map(({ id }) => Number(id.split(':')[1]))).toEqual(events.map((_, i) => i + 1))
  expect(await lastMessage(client, end.message.conversationId)).toEqual(end.message)
  expect(end.message).toMatchObject({ content: text, status: 'complete', usage: end.usage })
  return { end, events, text }
}
