import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Conversation } from '../../src/store/store.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { ending, givenAccount, givenStarted, later, newGeneration, now } from './given.ts'

let opened: TestStore
let ownerId: string
beforeAll(async () => {
  opened = await openTestStore()
})
afterAll(() => opened.close())

async function givenConversation(title = 'Trees', at = now): Promise<Conversation> {
  ownerId = (await givenAccount(opened.store)).id
  return addConversation(title, at)
}

function addConversation(title = 'Trees', at = now): Promise<Conversation> {
  const mode = 'concise'
  return opened.store.conversations.create({ id: randomUUID(), ownerId, title, mode, now: at })
}

test('pages contain each conversation once when all have the same time', async () => {
  const { conversations } = opened.store
  const all = [await givenConversation()]
  for (let count = 0; count < 6; count += 1) all.push(await addConversation())
  const seen: string[] = []

  let page = await conversations.list({ ownerId, limit: 2 })
  while (page.length > 0) {
    seen.push(...page.map(({ id }) => id))
    const last = page.at(-1)
    if (last) page = await conversations.list({ ownerId, limit: 2, after: last })
  }

  const expected = all.map(({ id }) => id).sort()
  expect(seen).toStrictEqual(expected.reverse())
})

test('a list has the last changed first, and can be filtered by archived', async () => {
  const { conversations } = opened.store
  const first = await givenConversation('First', now)
  const second = await addConversation('Second', later(10))
  const titles = async (archived?: boolean) => {
    const filter = { ownerId, limit: 9, ...(archived !== undefined && { archived }) }
    return (await conversations.list(filter)).map(({ title }) => title)
  }
  expect(await titles()).toStrictEqual(['Second', 'First'])

  const change = { ownerId, now: later(20) }
  await conversations.update({ ...change, id: first.id, changes: { pinned: true } })
  expect(await titles()).toStrictEqual(['First', 'Second'])

  await conversations.update({ ...change, id: second.id, changes: { archived: true } })
  expect(await titles(true)).toStrictEqual(['Second'])
  expect(await titles(false)).toStrictEqual(['First'])
})

test('a search takes its text literally and ignores case', async () => {
  await givenConversation('100% Oak_wood \\ Früh')
  await addConversation('1000 oaks')
  const search = async (text: string) =>
    (await opened.store.conversations.search({ ownerId, limit: 9, text })).found.length

  expect(await search('0% oak_')).toBe(1)
  expect(await search('OAK')).toBe(2)
  expect(await search('FRÜH')).toBe(1)
  expect(await search(' \\ ')).toBe(1)
  expect(await search('0_')).toBe(0)
})

test('a conversation of another account cannot be found, changed or removed', async () => {
  const { conversations, messages } = opened.store
  const { id } = await givenConversation()
  const foreign = { id, ownerId: (await givenAccount(opened.store)).id }

  expect(await conversations.find(foreign)).toBeUndefined()
  expect(await conversations.findWithLatestMessages({ ...foreign, limit: 5 })).toBeUndefined()
  expect(await conversations.update({ ...foreign, changes: {}, now })).toBeUndefined()
  expect(await conversations.remove({ ...foreign, expectedVersions: [1] })).toBeUndefined()
  expect(await messages.findOwned(foreign)).toBeUndefined()
})

test('a change or removal of an old version is stale and changes nothing', async () => {
  const { conversations } = opened.store
  const { id } = await givenConversation()
  const change = { id, ownerId, changes: { title: 'New' }, expectedVersions: [1], now: later(1) }

  expect(await conversations.update(change)).toMatchObject({ title: 'New', version: 2 })
  expect(await conversations.update({ ...change, changes: { title: 'Old' } })).toBe('stale')
  expect(await conversations.remove({ id, ownerId, expectedVersions: [1] })).toBe('stale')
  expect(await conversations.find({ id, ownerId })).toMatchObject({ title: 'New' })
  expect(await conversations.remove({ id, ownerId, expectedVersions: [2] })).toBe('removed')
  expect(await conversations.remove({ id, ownerId })).toBeUndefined()
})

test('the latest messages have the oldest first, exact times, and whether there are earlier ones', async () => {
  const { conversations, generations, messages } = opened.store
  ownerId = (await givenAccount(opened.store)).id
  const first = newGeneration(ownerId)
  await givenStarted(opened.store, first)
  await generations.finish(ending(first))
  const id = first.conversationId
  await givenStarted(opened.store, newGeneration(ownerId, { inConversation: id, now: later(7) }))

  const latest = await conversations.findWithLatestMessages({ id, ownerId, limit: 3 })
  expect(latest?.messages.map(({ position }) => position)).toStrictEqual([2, 3, 4])
  expect(latest?.messages[1]?.createdAt).toStrictEqual(later(7))
  expect(latest?.hasEarlier).toBe(true)
  expect(latest?.conversation).toStrictEqual(await conversations.find({ id, ownerId }))
  const page = await messages.list({ conversationId: id, limit: 3, after: 1 })
  expect(page).toStrictEqual({ found: latest?.messages })
  const all = await conversations.findWithLatestMessages({ id, ownerId, limit: 4 })
  expect(all?.hasEarlier).toBe(false)
})

test('the history has the last messages with text before a position, oldest first', async () => {
  ownerId = (await givenAccount(opened.store)).id
  const first = newGeneration(ownerId)
  await givenStarted(opened.store, first)
  await opened.store.generations.finish(ending(first, ''))
  const conversationId = first.conversationId
  const second = newGeneration(ownerId, { inConversation: conversationId, userText: 'Well?' })
  await givenStarted(opened.store, second)

  const history = (beforePosition: number, limit: number) =>
    opened.store.messages.history({ conversationId, beforePosition, limit })

  expect(await history(4, 9)).toStrictEqual([
    { role: 'user', content: 'What is an oak?', position: 1 },
    { role: 'user', content: 'Well?', position: 3 },
  ])
  expect(await history(4, 1)).toStrictEqual([{ role: 'user', content: 'Well?', position: 3 }])
})

test('the history has at most 256 kB of text', async () => {
  ownerId = (await givenAccount(opened.store)).id
  const userText = '한'.repeat(31_900)
  const first = newGeneration(ownerId, { userText })
  const { conversationId } = first
  const next = Array.from({ length: 4 }, () =>
    newGeneration(ownerId, { inConversation: conversationId, userText }),
  )
  for (const generation of [first, ...next]) {
    await givenStarted(opened.store, generation)
    await opened.store.generations.finish(ending(generation))
  }

  const history = await opened.store.messages.history({
    ...{ conversationId, beforePosition: 11, limit: 60 },
  })

  expect(history.map(({ content }) => content.length)).toStrictEqual([7, 31_900, 7, 31_900, 7])
})
