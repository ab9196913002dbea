import { describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import type { Client } from '../support/client.ts'
import { insertLongMessages } from '../support/long-texts.ts'
import { until } from '../support/clock/until.ts'
import { getAccountId, longWork, server, testStore } from './fairness.given.ts'

describe('a long response', () => {
  /** Returns the length of what arrives within this many turns of long work, and the whole text. */
  async function readInTurns(address: string, client: Client, turns: number) {
    longWork.resumed = createDeferred<undefined>()
    longWork.turnsLeft = turns
    const response = await fetch(address, { headers: client.credentials })
    let text = ''
    const reading = (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk
    })()
    await until(() => longWork.turnsLeft < 0)
    const soFar = text.length
    longWork.turnsLeft = Infinity
    longWork.resumed.resolve(undefined)
    await reading
    return { soFar, text }
  }
  /** The most that is written in one turn: the bound, and the piece that exceeds it. */
  const MAX_PER_TURN = 65_536 + 10_000

  test('writes a bounded part of an export in each turn of the event loop', async () => {
    const client = await server.createUser()
    const text = 'a'.repeat(8_000)
    const conversationId = await insertLongMessages(testStore, await getAccountId(client), {
      count: 60,
      text,
    })
    const address = client.urlOf('exportConversation', { path: { conversationId } })

    const exported = await readInTurns(address, client, 3)

    expect(exported.soFar).toBeLessThanOrEqual(3 * MAX_PER_TURN)
    expect(exported.text).toContain('{"type":"end","records":61}')
  })

  test('writes a bounded part of a stream in each turn of the event loop', async () => {
    const client = await server.createUser()
    const { body } = await client.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const pieces = 3_000
    const { prisma } = testStore.database
    const pieceEnds = Array.from({ length: pieces }, (_, i) => i + 1)
    const content = 'a'.repeat(pieces)
    await prisma.message.update({ where: { id: body.message.id }, data: { content } })
    await prisma.generation.update({ where: { id: body.generationId }, data: { pieceEnds } })
    const path = { generationId: body.generationId }

    const streamed = await readInTurns(client.urlOf('resumeStream', { path }), client, 2)

    expect(streamed.soFar).toBeLessThanOrEqual(3 * MAX_PER_TURN)
    expect(streamed.text.match(/event: message\.delta/g)).toHaveLength(pieces)
  })
})
