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

/** The id of the one generation that the database holds as running in a conversation. */
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

  const stranger = { id: generation.generationId, ownerId: randomUUID() }
  expect(await generations.find(stranger)).toBeUndefined()
})

test('of ten starts at once in one conversation exactly one runs, the others learn which', async () => {
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

test('positions never collide while starts and finishes race', async () => {
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
  const said = 2 + 2 * outcomes.filter((outcome) => outcome === 'started').length
  const { found } = await messages.list({ conversationId, limit: 200 })
  expect(found.map(({ position }) => position)).toStrictEqual(
    Array.from({ length: said }, (_, index) => index + 1),
  )

  const conversation = await conversations.find({ id: conversationId, ownerId })
  expect(conversation?.messageCount).toBe(said)
})

test('a start in no conversation of the owner is missing and leaves nothing', async () => {
  const { generation, conversationId } = await givenRunning()
  const { generations, messages } = opened.store
  await generations.finish(ending(generation))
  const { id: stranger } = await givenAccount(opened.store)

  const start = await generations.start(newGeneration(stranger, { inConversation: conversationId }))

  expect(start).toStrictEqual({ outcome: 'missing' })
  expect((await messages.list({ conversationId, limit: 9 })).found).toHaveLength(2)
})

test('a start for nobody is refused as that and leaves nothing', async () => {
  const ownerId = randomUUID()
  const started = opened.store.generations.start(newGeneration(ownerId))

  await expect(started).rejects.toMatchObject({ name: 'AccountClosed', accountId: ownerId })
})

test('of ten finishers exactly one ends the generation, and usage is written once', async () => {
  const { ownerId, generation } = await givenRunning()
  const { generations } = opened.store
  const finish = (_: unknown, turn: number) =>
    generations.finish({
      ...ending(generation, `Answer ${String(turn)}`),
      model: 'm',
      usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7, source: 'upstream' },
    })
  const ended = await Promise.all(Array.from({ length: 10 }, finish))
  const [winner, ...others] = ended.filter((end) => end !== undefined)
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

test('a finish moves its conversation to the top and to a new version', async () => {
  const { ownerId, generation, conversationId: id } = await givenRunning()
  await opened.store.generations.finish(ending(generation))

  const conversation = await opened.store.conversations.find({ id, ownerId })

  expect(conversation).toMatchObject({ version: 2, updatedAt: later(1_000), messageCount: 2 })
})

test('a conversation deleted while it generates still pays for what was generated', async () => {
  const { ownerId, generation, conversationId: id } = await givenRunning()
  const { generations, conversations } = opened.store

  expect(await conversations.remove({ id, ownerId })).toBe('removed')
  expect(await generations.finish({ ...ending(generation), answered: 0 })).toBeUndefined()
  expect(await allUsage(opened.store, ownerId)).toMatchObject([{ requests: 1, messages: 0 }])
})

test('whatever races with a deletion, usage is written once and nothing deadlocks', async () => {
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

test('a save keeps the text and the lease while it runs, and nothing afterwards', async () => {
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

test('an undone start leaves no conversation that it made', async () => {
  const { ownerId, generation, conversationId: id } = await givenRunning()
  await opened.store.generations.undo(generation)
  expect(await opened.store.conversations.find({ id, ownerId })).toBeUndefined()

  const found = await opened.store.generations.find({ id: generation.generationId, ownerId })
  expect(found).toBeUndefined()
})

test('an undone start leaves a conversation that was there as it was, but for its version', async () => {
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

test('an empty conversation that was made on purpose survives the undoing of its first start', async () => {
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

test('only generations whose lease is over are interrupted; their text and usage stay', async () => {
  const { generations, messages } = opened.store
  const [silent, spoken, alive] = [await givenRunning(), await givenRunning(), await givenRunning()]
  const { generationId } = spoken.generation
  await generations.saveProgress({
    generationId,
    pieceEnds: [],
    content: 'A tr',
    leaseUntil: later(2_000),
  })
  const ids = [alive.generation.generationId]
  await generations.renewLeases({ ids, leaseUntil: later(90_000) })
  await generations.interruptAbandoned({ now: later(30_000), all: false })
  const found = await generations.find({ id: generationId, ownerId: spoken.ownerId })
  expect(found).toMatchObject({ status: 'interrupted', endedAt: later(30_000) })

  const owned = { id: spoken.generation.assistantMessageId, ownerId: spoken.ownerId }
  const message = await messages.findOwned(owned)
  expect(message).toMatchObject({ status: 'interrupted', content: 'A tr' })
  expect(message).not.toHaveProperty('usage')

  const usage = async (who: { ownerId: string }) => allUsage(opened.store, who.ownerId)
  expect(await usage(spoken)).toMatchObject([{ requests: 1, messages: 1, totalTokens: 0 }])
  expect(await usage(silent)).toMatchObject([{ requests: 1, messages: 0 }])
  expect(await usage(alive)).toStrictEqual([])
  expect(await runningIn(alive.conversationId)).toBe(alive.generation.generationId)
  expect(await generations.finish(ending(spoken.generation))).toBeUndefined()
})

test('an embedded start interrupts all that was running', async () => {
  const { ownerId, generation } = await givenRunning()
  const { generations } = opened.store
  expect(await generations.interruptAbandoned({ now, all: true })).toBeGreaterThan(0)

  const found = await generations.find({ id: generation.generationId, ownerId })
  expect(found?.status).toBe('interrupted')
  expect(await generations.interruptAbandoned({ now, all: true })).toBe(0)
})
