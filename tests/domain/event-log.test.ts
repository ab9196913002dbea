import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { type AnswerEvent, EventLog } from '../../src/domain/chat/event-log.ts'

const neverAborted = new AbortController().signal
const piece = (text: string) => ({ type: 'text' as const, text })
const end = { type: 'end' as const }

async function readAll(log: EventLog, signal = neverAborted): Promise<AnswerEvent[]> {
  const seen: AnswerEvent[] = []
  for await (const event of log.read(signal)) seen.push(event)
  return seen
}

const textsOf = (events: AnswerEvent[]) =>
  events.map((event) => (event.type === 'text' ? event.text : event.type))

test('events are numbered from 1 without gaps', async () => {
  const log = new EventLog()
  for (const event of [piece('a'), piece('b'), end]) log.append(event)

  expect((await readAll(log)).map(({ seq }) => seq)).toEqual([1, 2, 3])
})

test('no event follows the end, not even another end', async () => {
  const log = new EventLog()
  for (const event of [piece('a'), end, piece('b'), end]) log.append(event)

  expect(textsOf(await readAll(log))).toEqual(['a', 'end'])
})

test('a reader gets each event as soon as it is appended', async () => {
  const log = new EventLog()
  const reader = log.read(neverAborted)

  for (const text of ['a', 'b']) {
    const next = reader.next()
    log.append(piece(text))
    expect((await next).value).toMatchObject(piece(text))
  }
  log.append(end)
  await reader.next()

  expect(await reader.next()).toEqual({ done: true, value: undefined })
})

test('every reader gets all events, whenever it starts and however slow it is', async () => {
  const log = new EventLog()
  log.append(piece('a'))
  const early = readAll(log)
  const slow = log.read(neverAborted)
  await slow.next()
  log.append(piece('b'))
  const later = readAll(log)

  log.append(end)
  const after = readAll(log)

  for (const seen of [early, later, after]) expect(textsOf(await seen)).toEqual(['a', 'b', 'end'])
  expect((await slow.next()).value).toMatchObject({ seq: 2 })
  expect((await slow.next()).value).toMatchObject({ seq: 3 })
})

test('a reader whose signal aborts ends at once', async () => {
  const log = new EventLog()
  const leaving = new AbortController()
  const reading = readAll(log, leaving.signal)
  log.append(piece('a'))
  await new Promise(setImmediate)

  leaving.abort()

  expect(textsOf(await reading)).toEqual(['a'])
  expect(await readAll(log, leaving.signal)).toEqual([])
})

test('a busy reader later gets all events that were appended meanwhile', async () => {
  const log = new EventLog()
  const reader = log.read(neverAborted)
  log.append(piece('0'))
  await reader.next()
  for (let i = 1; i < 1_000; i += 1) log.append(piece(String(i)))
  log.append(end)

  const seen: AnswerEvent[] = []
  for await (const event of reader) seen.push(event)

  expect(seen.map(({ seq }) => seq)).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 2))
})

test('a reader leaves no listener at its signal, however the reading ended', async () => {
  const { signal } = new AbortController()
  const log = new EventLog()
  log.append({ type: 'text', text: 'a' })
  const stopped = log.read(signal)
  await stopped.next()
  await stopped.return(undefined)
  const waiting = log.read(signal)
  await waiting.next()
  const next = waiting.next()
  log.append({ type: 'end' })

  await next

  expect((await waiting.next()).done).toBe(true)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
