import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { type Instances, startInstances } from '../support/process/instances.ts'
import type { TestServer } from '../support/server.ts'
import type { WireEvent } from '../support/wire/stream.ts'

export const TERMINAL = new Set(['message.end', 'message.cancelled', 'message.error'])

export const engine = createManualEngine()

export let isUnavailable = false

export let instances: Instances

export let first: TestServer

export let second: TestServer

beforeAll(async () => {
  const instead = { deps: { engine } }
  instances = await startInstances(({ ...store }) => {
    const findKept: typeof store.generations.findKept = (which) =>
      isUnavailable
        ? Promise.reject(new DatabaseUnavailable('away'))
        : store.generations.findKept(which)
    const flaky = { ...store, generations: { ...store.generations, findKept } }
    return [{ replacements: instead }, { replacements: { deps: { engine, store: flaky } } }]
  })
  ;[first, second] = instances.servers as [TestServer, TestServer]
})

afterAll(() => instances.close())

export const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanUp of cleanups.splice(0)) await cleanUp()
})

/** Whole: from the first to exactly one terminal event, each number once and in order. */
export function expectWhole(events: readonly WireEvent[], generationId: string): void {
  expect(events.map(({ id }) => id)).toEqual(events.map((_, i) => `${generationId}:${i + 1}`))
  expect(events[0]!.name).toBe('message.start')
  expect(events.filter(({ name }) => TERMINAL.has(name))).toEqual([events.at(-1)])
}

export function setIsUnavailable(value: typeof isUnavailable): void {
  isUnavailable = value
}
