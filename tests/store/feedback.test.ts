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

function opinion(accountId: string, messageId: string) {
  const tags = ['clear', 'with "quotes", {braces}']
  return { id: randomUUID(), accountId, messageId, rating: 'up' as const, tags, now }
}

test('a second opinion replaces the first and keeps its id and time', async () => {
  const { feedback } = opened.store
  const { id: accountId } = await givenAccount(opened.store)
  const { answer } = await givenAnswer(accountId)
  const first = await feedback.give({ ...opinion(accountId, answer), comment: 'Good' })
  expect(first).toMatchObject({ comment: 'Good', tags: ['clear', 'with "quotes", {braces}'] })

  const second = opinion(accountId, answer)
  const replaced = await feedback.give({ ...second, rating: 'down', tags: [], now: later(9) })
  const { comment: _, ...kept } = first ?? {}
  const expected = { ...kept, rating: 'down', tags: [], updatedAt: later(9) }
  expect(replaced).toStrictEqual(expected)
  expect(await feedback.list({ accountId, limit: 9 })).toStrictEqual({ found: [replaced] })
})

test('of ten first opinions at once on one answer, one row remains', async () => {
  const { feedback } = opened.store
  const { id: accountId } = await givenAccount(opened.store)
  const { answer } = await givenAnswer(accountId)
  const give = () => feedback.give(opinion(accountId, answer))

  const given = await Promise.all(Array.from({ length: 10 }, give))

  expect(new Set(given.map((one) => one?.id)).size).toBe(1)
})

test('nobody rates a question, or the answer of another', async () => {
  const { feedback } = opened.store
  const { id: accountId } = await givenAccount(opened.store)
  const { answer, question } = await givenAnswer(accountId)
  expect(await feedback.give(opinion(accountId, question))).toBeUndefined()

  const { id: stranger } = await givenAccount(opened.store)
  expect(await feedback.give(opinion(stranger, answer))).toBeUndefined()
  expect(await feedback.list({ accountId: stranger, limit: 9 })).toStrictEqual({ found: [] })
})

test('pages lose and repeat nothing at equal times, and only the owner removes', async () => {
  const { feedback } = opened.store
  const { id: accountId } = await givenAccount(opened.store)
  const ids: string[] = []
  for (let count = 0; count < 5; count += 1) {
    const { answer } = await givenAnswer(accountId)
    ids.push((await feedback.give(opinion(accountId, answer)))?.id ?? '')
  }
  const { found: first } = await feedback.list({ accountId, limit: 3 })
  const [, , last] = first
  const rest = last && (await feedback.list({ accountId, limit: 3, after: last }))
  expect([...first, ...(rest?.found ?? [])].map(({ id }) => id)).toStrictEqual(ids.sort().reverse())

  const [id = ''] = ids
  expect(await feedback.remove({ id, accountId: randomUUID() })).toBe(false)
  expect(await feedback.remove({ id, accountId })).toBe(true)
})
