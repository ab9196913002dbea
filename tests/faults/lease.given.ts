import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import type { Client } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'

export const LEASE_MS = 20_000

export const SWEEP_MS = 10_000

export const engine = createManualEngine()

export let saveProgress: Store['generations']['saveProgress']

export let testStore: TestStore

/** Not embedded: several servers share the database, and none may interrupt what runs when it starts. */
export let shared: Store

export let server: TestServer

beforeAll(async () => {
  testStore = await openTestStore()
  const { store } = testStore
  const save: typeof saveProgress = (progress) => saveProgress(progress)
  const generations = { ...store.generations, saveProgress: save }
  shared = { ...store, generations, embedded: false }
  server = await startServer({ testStore, replacements: { deps: { engine, store: shared } } })
})

beforeEach(() => {
  saveProgress = testStore.store.generations.saveProgress
})

afterAll(async () => {
  await server.close()
  await testStore.close()
})

type Start = { generationId: string; messageId: string; conversationId: string }

/** Reads what the database holds of a generation. */
export function storedGeneration({ identity }: Client, { generationId, messageId }: Start) {
  const { messages, generations } = testStore.store
  const findOwner = async () => {
    const { subject } = await server.parley.deps.accessTokens.verify(identity.accessToken)
    return subject
  }
  return {
    async text() {
      const ownerId = await findOwner()
      return (await messages.findOwned({ id: messageId, ownerId }))?.content
    },
    async generation() {
      const ownerId = await findOwner()
      return generations.find({ id: generationId, ownerId })
    },
  }
}

/** Starts a second instance on the same database; its clock is `aheadMs` ahead of the first. */
export async function startSecondInstance(aheadMs: number) {
  const clock = new TestClock(new Date(server.clock.now().getTime() + aheadMs))
  return startServer({ testStore, clock, replacements: { deps: { store: shared } } })
}

/** Advances the clock until this text is saved: a save that is due during another one is skipped. */
export function untilSaved(row: ReturnType<typeof storedGeneration>, text: string) {
  return until(async () => {
    await server.clock.advance(500)
    return (await row.text()) === text
  })
}

export function setSaveProgress(value: Store['generations']['saveProgress']): void {
  saveProgress = value
}
