import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { givenAccount, givenStarted, later, newGeneration, now } from './given.ts'

let opened: TestStore
beforeAll(async () => {
  opened = await openTestStore()
})
afterAll(() => opened.close())

async function givenAnswer(accountId: string) {
  const generation = newGeneration(accountId)
  await givenStarted(opened.store, generation)
  return { answer: generation.assistantMessageId, question: generation.userMessageId }
}

function newFeedback(accountId: string, messageId: string) {
  const tags = ['clear', 'with "quotes", {braces}']
  return { id: randomUUID(), accountId, messageId, rating: 'up' as const, tags, now }
}

test('a second rating replaces the first and keeps its id and creation time', async () => {
  const { feedback } = opened.store
  const { id: accountId } = await givenAccount(opened.store)
  const { answer } = await givenAnswer(accountId)
  const first = await feedback.give({ ...newFeedback(accountId, answer), comment: 'Good' })
  expect(first).toMatchObject({ comment: 'Good', tags: ['clear', 'with "quotes", {braces}'] })

  const second = newFeedback(accountId, answer)
  const replaced = await feedback.give({ ...second, rating: 'down', tags: [], now: later(9) })

  const { comment: _, ...unchanged } = first ?? {}
  const expected = { ...unchanged, rating: 'down', tags: [], updatedAt: later(9) }
  expect(replaced).toStrictEqual(expected)
  expect(await feedback.list({ accountId, limit: 9 })).toStrictEqual({ found: [replaced] })
})

test('ten concurrent ratings of one answer leave one row', async () => {
  const { feedback } = opened.store
  const { id: accountId } = await givenAccount(opened.store)
  const { answer } = await givenAnswer(accountId)
  const give = () => feedback.give(newFeedback(accountId, answer))

  const given = await Promise.all(Array.from({ length: 10 }, give))

  expect(new Set(given.map((one) => one?.id)).size).toBe(1)
  expect((await feedback.list({ accountId, limit: 9 })).found).toHaveLength(1)
})

test('a question or the answer of another account cannot be rated', async () => {
  const { feedback } = opened.store
  const { id: accountId } = await givenAccount(opened.store)
  const { answer, question } = await givenAnswer(accountId)
  expect(await feedback.give(newFeedback(accountId, question))).toBeUndefined()

  const { id: otherId } = await givenAccount(opened.store)
  expect(await feedback.give(newFeedback(otherId, answer))).toBeUndefined()
  expect(await feedback.list({ accountId: otherId, limit: 9 })).toStrictEqual({ found: [] })
})

test('pages contain each rating once when all have the same time', async () => {
  const { feedback } = opened.store
  const { id: accountId } = await givenAccount(opened.store)
  const ids: string[] = []
  for (let count = 0; count < 5; count += 1) {
    const { answer } = await givenAnswer(accountId)
    ids.push((await feedback.give(newFeedback(accountId, answer)))?.id ?? '')
  }

  const { found: first } = await feedback.list({ accountId, limit: 3 })
  const [, , last] = first
  const rest = last && (await feedback.list({ accountId, limit: 3, after: last }))

  expect([...first, ...(rest?.found ?? [])].map(({ id }) => id)).toStrictEqual(ids.sort().reverse())
})

test('only its owner can remove a rating', async () => {
  const { feedback } = opened.store
  const { id: accountId } = await givenAccount(opened.store)
  const { answer } = await givenAnswer(accountId)
  const id = (await feedback.give(newFeedback(accountId, answer)))!.id

  expect(await feedback.remove({ id, accountId: randomUUID() })).toBe(false)
  expect(await feedback.remove({ id, accountId })).toBe(true)
})
