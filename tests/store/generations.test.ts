import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { allUsage, ending, givenAccount, givenStarted, later, newGeneration, now } from './given.ts'

let opened: TestStore
beforeAll(async () => {
  opened = await openTestStore()
})
afterAll(() => opened.close())

async function givenRunning() {
  const { id: ownerId } = await givenAccount(opened.store)
  const generation = newGeneration(ownerId)
  await givenStarted(opened.store, generation)
  return { ownerId, generation, conversationId: generation.conversationId }
}

/** The id of the only generation that is running in the conversation. */
async function runningIn(conversationId: string): Promise<string | undefined> {
  const where = { conversationId, status: 'running' } as const
  const [running, ...others] = await opened.database.prisma.generation.findMany({ where })
  expect(others).toEqual([])
  return running?.id
}

test('a start writes the conversation, the question and the empty answer', async () => {
  const { id: ownerId } = await givenAccount(opened.store)
  const generation = newGeneration(ownerId)

  const start = await givenStarted(opened.store, generation)

  expect(start).toMatchObject({
    conversation: { title: 'Trees', messageCount: 2, version: 1, updatedAt: now },
    userMessage: { position: 1, role: 'user', status: 'complete', content: 'What is an oak?' },
    assistantMessage: { position: 2, role: 'assistant', status: 'inProgress', content: '' },
  })
  const { generations } = opened.store
  const found = await generations.find({ id: generation.generationId, ownerId })
  expect(found).toMatchObject({ status: 'running', startedAt: now, leaseUntil: later(30_000) })
  expect(await runningIn(generation.conversationId)).toBe(generation.generationId)
})

test('a generation of another account is not found', async () => {
  const { generation } = await givenRunning()

  const foreign = { id: generation.generationId, ownerId: randomUUID() }

  expect(await opened.store.generations.find(foreign)).toBeUndefined()
})

test('one of ten concurrent starts in a conversation runs, and the others get its id', async () => {
  const { ownerId, generation, conversationId } = await givenRunning()
  const { generations, messages } = opened.store
  await generations.finish(ending(generation))
  const rivals = Array.from({ length: 10 }, () =>
    newGeneration(ownerId, { inConversation: conversationId }),
  )

  const starts = await Promise.all(rivals.map((rival) => generations.start(rival)))

  const busy = { outcome: 'busy', activeGenerationId: await runningIn(conversationId) }
  expect(starts.filter(({ outcome }) => outcome === 'started')).toHaveLength(1)
  expect(starts.filter(({ outcome }) => outcome === 'busy')).toStrictEqual(Array(9).fill(busy))
  const { found } = await messages.list({ conversationId, limit: 9 })
  const positions = found.map(({ position }) => position)
  expect(positions).toStrictEqual([1, 2, 3, 4])
})

test('positions have no gap and no duplicate while starts and finishes are concurrent', async () => {
  const { ownerId, generation, conversationId } = await givenRunning()
  const { generations, messages, conversations } = opened.store
  await generations.finish(ending(generation))
  const converse = async () => {
    const next = newGeneration(ownerId, { inConversation: conversationId })
    const { outcome } = await generations.start(next)
    if (outcome === 'started') await generations.finish(ending(next))
    return outcome
  }
  const outcomes: string[] = []

  for (let round = 0; round < 10; round += 1) {
    outcomes.push(...(await Promise.all(Array.from({ length: 6 }, converse))))
  }

  const messageCount = 2 + 2 * outcomes.filter((outcome) => outcome === 'started').length
  const { found } = await messages.list({ conversationId, limit: 200 })
  expect(found.map(({ position }) => position)).toStrictEqual(
    Array.from({ length: messageCount }, (_, index) => index + 1),
  )
  const conversation = await conversations.find({ id: conversationId, ownerId })
  expect(conversation?.messageCount).toBe(messageCount)
})

test('a start in the conversation of another account is missing and writes nothing', async () => {
  const { generation, conversationId } = await givenRunning()
  const { generations, messages } = opened.store
  await generations.finish(ending(generation))
  const { id: otherId } = await givenAccount(opened.store)

  const start = await generations.start(newGeneration(otherId, { inConversation: conversationId }))

  expect(start).toStrictEqual({ outcome: 'missing' })
  expect((await messages.list({ conversationId, limit: 9 })).found).toHaveLength(2)
})

test('a start for an unknown account fails with AccountClosed', async () => {
  const ownerId = randomUUID()

  const start = opened.store.generations.start(newGeneration(ownerId))

  await expect(start).rejects.toMatchObject({ name: 'AccountClosed', accountId: ownerId })
})

test('one of ten concurrent finishes ends the generation, and usage is written once', async () => {
  const { ownerId, generation } = await givenRunning()
  const { generations } = opened.store
  const finish = (_: unknown, turn: number) =>
    generations.finish({
      ...ending(generation, `Answer ${String(turn)}`),
      model: 'm',
      usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7, source: 'upstream' },
    })

  const ends = await Promise.all(Array.from({ length: 10 }, finish))

  const [winner, ...others] = ends.filter((end) => end !== undefined)
  expect(others).toStrictEqual([])
  const id = generation.assistantMessageId
  expect(await opened.store.messages.findOwned({ id, ownerId })).toStrictEqual(winner?.message)
  expect(winner?.message).toMatchObject({ status: 'complete', model: 'm', position: 2 })
  expect(await allUsage(opened.store, ownerId)).toMatchObject([{ requests: 1, totalTokens: 7 }])
  expect(await generations.find({ id: generation.generationId, ownerId })).toMatchObject({
    status: 'completed',
    endedAt: later(1_000),
    usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7, source: 'upstream' },
  })
})

test('a finish updates the time and the version of its conversation', async () => {
  const { ownerId, generation, conversationId: id } = await givenRunning()

  await opened.store.generations.finish(ending(generation))

  const conversation = await opened.store.conversations.find({ id, ownerId })
  expect(conversation).toMatchObject({ version: 2, updatedAt: later(1_000), messageCount: 2 })
})

test('the usage of a generation is written although its conversation was deleted meanwhile', async () => {
  const { ownerId, generation, conversationId: id } = await givenRunning()
  const { generations, conversations } = opened.store

  expect(await conversations.remove({ id, ownerId })).toBe('removed')
  expect(await generations.finish({ ...ending(generation), answered: 0 })).toBeUndefined()
  expect(await allUsage(opened.store, ownerId)).toMatchObject([{ requests: 1, messages: 0 }])
})

test('usage is written once and without a deadlock when a deletion, a finish and saves are concurrent', async () => {
  const { ownerId } = await givenRunning()
  const { generations, conversations } = opened.store
  const race = async () => {
    const generation = newGeneration(ownerId)
    await givenStarted(opened.store, generation)
    const { generationId, conversationId: id } = generation
    const progress = { generationId, content: 'A tr', pieceEnds: [4], leaseUntil: later(60_000) }
    await Promise.all([
      generations.saveProgress(progress),
      conversations.remove({ id, ownerId }),
      generations.finish(ending(generation)),
      generations.saveProgress(progress),
    ])
  }

  await Promise.all(Array.from({ length: 40 }, race))

  expect(await allUsage(opened.store, ownerId)).toMatchObject([{ requests: 40 }])
})

test('a save stores the text and the lease of a running generation only', async () => {
  const { ownerId, generation } = await givenRunning()
  const { generations, messages } = opened.store
  const { generationId, assistantMessageId: id } = generation
  const save = (content: string) =>
    generations.saveProgress({
      generationId,
      content,
      pieceEnds: [content.length],
      leaseUntil: later(60_000),
    })

  expect(await save('A tr')).toBe('renewed')
  const found = await generations.find({ id: generationId, ownerId })
  expect(found?.leaseUntil).toStrictEqual(later(60_000))
  await generations.finish(ending(generation))
  expect(await save('Too late')).toBe('gone')
  expect(await messages.findOwned({ id, ownerId })).toMatchObject({ content: 'A tree.' })
})

test('undoing a start removes the conversation that it created', async () => {
  const { ownerId, generation, conversationId: id } = await givenRunning()

  await opened.store.generations.undo(generation)

  expect(await opened.store.conversations.find({ id, ownerId })).toBeUndefined()
  const found = await opened.store.generations.find({ id: generation.generationId, ownerId })
  expect(found).toBeUndefined()
})

test('undoing a start in an older conversation removes its messages and sets a new version', async () => {
  const { ownerId, generation, conversationId: id } = await givenRunning()
  const { generations, conversations, messages } = opened.store
  await generations.finish(ending(generation))
  const second = newGeneration(ownerId, { inConversation: id })
  await givenStarted(opened.store, second)

  await generations.undo(second)

  const conversation = await conversations.find({ id, ownerId })
  expect(conversation).toMatchObject({ messageCount: 2, version: 4 })
  expect((await messages.list({ conversationId: id, limit: 9 })).found).toHaveLength(2)
  await givenStarted(opened.store, newGeneration(ownerId, { inConversation: id }))
  expect((await messages.list({ conversationId: id, limit: 9 })).found).toHaveLength(4)
})

test('undoing the first start in a conversation that was created empty leaves it empty', async () => {
  const { id: ownerId } = await givenAccount(opened.store)
  const { generations, conversations } = opened.store
  const id = randomUUID()
  await conversations.create({ id, ownerId, title: 'Empty', mode: 'concise', now })
  const generation = newGeneration(ownerId, { inConversation: id })
  await givenStarted(opened.store, generation)

  await generations.undo(generation)

  expect(await conversations.find({ id, ownerId })).toMatchObject({ messageCount: 0 })
})

test('a finished generation cannot be undone', async () => {
  const { ownerId, generation, conversationId: id } = await givenRunning()
  await opened.store.generations.finish(ending(generation))

  await opened.store.generations.undo(generation)

  expect(await opened.store.conversations.find({ id, ownerId })).toMatchObject({ messageCount: 2 })
})

test('interruptAbandoned interrupts only expired leases, and keeps the text and usage', async () => {
  const { generations, messages } = opened.store
  const [silent, speaking, alive] = [
    await givenRunning(),
    await givenRunning(),
    await givenRunning(),
  ]
  const { generationId } = speaking.generation
  await generations.saveProgress({
    generationId,
    pieceEnds: [],
    content: 'A tr',
    leaseUntil: later(2_000),
  })
  const ids = [alive.generation.generationId]
  await generations.renewLeases({ ids, leaseUntil: later(90_000) })

  await generations.interruptAbandoned({ now: later(30_000), all: false })

  const found = await generations.find({ id: generationId, ownerId: speaking.ownerId })
  expect(found).toMatchObject({ status: 'interrupted', endedAt: later(30_000) })
  const owned = { id: speaking.generation.assistantMessageId, ownerId: speaking.ownerId }
  const message = await messages.findOwned(owned)
  expect(message).toMatchObject({ status: 'interrupted', content: 'A tr' })
  expect(message).not.toHaveProperty('usage')
  const usage = async ({ ownerId }: { ownerId: string }) => allUsage(opened.store, ownerId)
  expect(await usage(speaking)).toMatchObject([{ requests: 1, messages: 1, totalTokens: 0 }])
  expect(await usage(silent)).toMatchObject([{ requests: 1, messages: 0 }])
  expect(await usage(alive)).toStrictEqual([])
  expect(await runningIn(alive.conversationId)).toBe(alive.generation.generationId)
  expect(await generations.finish(ending(speaking.generation))).toBeUndefined()
})

test('interruptAbandoned interrupts all running generations of the embedded database', async () => {
  const { ownerId, generation } = await givenRunning()
  const { generations } = opened.store

  expect(await generations.interruptAbandoned({ now, all: true })).toBeGreaterThan(0)
  const found = await generations.find({ id: generation.generationId, ownerId })
  expect(found?.status).toBe('interrupted')
  expect(await generations.interruptAbandoned({ now, all: true })).toBe(0)
})
