import { afterAll, beforeAll, expect, test } from 'vitest'
import { LONGEST_ANSWER } from '../../src/domain/chat/answer-buffer.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, textOf } from '../support/wire/stream.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'

/** Has 5 UTF-16 units, so that the limit falls in the middle of a surrogate pair. */
const WORD = '🙂🙂x'

let upstream: TestUpstream
let server: TestServer
beforeAll(async () => {
  upstream = await startUpstream({ endless: true, words: [WORD, WORD.repeat(7)] })
  server = await startServer({ env: { CHAT_UPSTREAM_URL: upstream.url } })
})
afterAll(() => Promise.all([server.close(), upstream.close()]))

test('an endless answer ends as complete at 64 kB, never in half a character', async () => {
  const alice = await server.createUser()

  const events = await (await openStream(alice, { message: 'Go on' })).rest()
  const end = events.at(-1)!.event
  if (end.type !== 'message.end') throw new Error(end.type)
  const { content, status } = end.message

  expect(status).toBe('complete')
  expect(content).toHaveLength(Math.floor(LONGEST_ANSWER / WORD.length) * WORD.length)
  expect(content.isWellFormed()).toBe(true)
  expect(textOf(events)).toBe(content)
  expect(end.usage.source).toBe('estimated')
})

test('the upstream of an endless answer is disconnected at the limit', async () => {
  const alice = await server.createUser()
  const sending = alice.expect(200, 'sendMessage', { body: { message: 'Go on' } })
  const call = await upstream.completion(upstream.completions.length + 1)

  const { body } = await sending
  await call.closed

  expect(body.message.status).toBe('complete')
  expect(call.aborted).toBe(true)
})
