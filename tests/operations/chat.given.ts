/* Sets up a server whose engine gives the answers that the tests write. */

import { afterAll, beforeAll } from 'vitest'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'

export const engine = createManualEngine()

export let manualServer: TestServer

beforeAll(async () => {
  manualServer = await startServer({ replacements: { deps: { engine } } })
})

afterAll(() => manualServer.close())

/** Sends a message to the server with the manual engine, and answers it immediately. */
export async function sendAndAnswer(
  client: Client,
  body: { message: string; conversationId?: string },
) {
  const sending = client.expect(200, 'sendMessage', { body })
  const turn = await engine.next()
  turn.say(`answer to ${body.message}`)
  turn.end()
  return { reply: (await sending).body, turn: turn.turn }
}

export async function getConversation(client: Client, conversationId: string) {
  return (await client.expect(200, 'getConversation', { path: { conversationId } })).body
}

/** Returns the totals of the usage report. It excludes the present moment, so the clock advances first. */
export async function getTotals(client: Client, { clock }: TestServer) {
  await clock.advance(1)
  return (await client.expect(200, 'getUsage')).body.totals
}
