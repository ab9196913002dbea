import { expect } from 'vitest'
import type { Client } from '../support/client.ts'
import { openStream, textOf } from '../support/wire/stream.ts'

/** Prints what a real model said, and how fast, for the reader of the test's output. */
export function logAnswer(what: string, text: string, startedMs: number): void {
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
  console.log(`${what} (${seconds} s): ${JSON.stringify(text.slice(0, 120))}`)
}

/** Returns the last message as it is stored. */
export async function getLastMessage(client: Client, conversationId: string) {
  const { body } = await client.expect(200, 'getConversation', { path: { conversationId } })
  return body.messages.at(-1)!
}

/** Sends a message, reads the answer event by event and compares it with what is stored. */
export async function converse(client: Client, message: string, conversationId?: string) {
  const startedMs = performance.now()
  const request = { message, mode: 'concise', ...(conversationId && { conversationId }) }
  const stream = await openStream(client, request)
  expect(stream.status).toBe(200)
  const events = await stream.rest()
  const text = textOf(events)
  logAnswer(message, text, startedMs)
  const end = events.at(-1)!.event
  if (end.type !== 'message.end') throw new Error(`It ended with ${JSON.stringify(end)}`)
  expect(events.map(({ id }) => Number(id.split(':')[1]))).toEqual(events.map((_, i) => i + 1))
  expect(await getLastMessage(client, end.message.conversationId)).toEqual(end.message)
  expect(end.message).toMatchObject({ content: text, status: 'complete', usage: end.usage })
  return { end, events, text }
}
