import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Usage } from '../../src/store/store.ts'
import { openTestStore, type TestStore } from '../support/database.ts'
import { allUsage, ending, givenAccount, givenStarted, newGeneration } from './given.ts'

let opened: TestStore
beforeAll(async () => {
  opened = await openTestStore()
})
afterAll(() => opened.close())

async function givenUsage(ownerId: string, at: string, usage?: Usage) {
  const generation = newGeneration(ownerId)
  await givenStarted(opened.store, generation)
  const end = { ...ending(generation), now: new Date(at), ...(usage && { usage }) }
  await opened.store.generations.finish(end)
  return generation.conversationId
}

const upstream = { inputTokens: 10, outputTokens: 5, totalTokens: 15, source: 'upstream' } as const

test('buckets are UTC hours that hold something, from the start up to but not at the end', async () => {
  const { id: accountId } = await givenAccount(opened.store)
  await givenUsage(accountId, '2026-03-01T09:59:59.999Z', upstream)
  await givenUsage(accountId, '2026-03-01T10:00:00.000Z', upstream)
  await givenUsage(accountId, '2026-03-01T10:59:59.999Z')
  await givenUsage(accountId, '2026-03-01T12:00:00.000Z', upstream)
  const [from, to] = [new Date('2026-03-01T09:59:59.999Z'), new Date('2026-03-01T12:00:00Z')]
  const query = { accountId, from, to, granularity: 'hour' } as const
  const one = { requests: 1, messages: 1, inputTokens: 10, outputTokens: 5, totalTokens: 15 }
  expect(await opened.store.usage.report(query)).toStrictEqual([
    { startAt: new Date('2026-03-01T09:00:00Z'), ...one },
    { startAt: new Date('2026-03-01T10:00:00Z'), ...one, requests: 2, messages: 2 },
  ])
})

test('deleting a conversation leaves its usage', async () => {
  const { id: accountId } = await givenAccount(opened.store)
  const id = await givenUsage(accountId, '2026-03-01T23:00:00Z', upstream)
  const before = await allUsage(opened.store, accountId)
  await opened.store.conversations.remove({ id, ownerId: accountId })
  expect(await allUsage(opened.store, accountId)).toStrictEqual(before)
  expect(before).toMatchObject([{ startAt: new Date('2026-03-01T00:00:00Z'), totalTokens: 15 }])
})
