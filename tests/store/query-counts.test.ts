import { beforeAll, describe, expect, test } from 'vitest'
import { policies } from '../support/contract/contract.ts'
import { openLoggedTestStore } from '../support/database/query-log.ts'
import type { Exchange } from '../support/recorded-scenario/exchange.ts'
import { recordScenario } from '../support/recorded-scenario/scenario.ts'

/**
 * The operations that may make another number of statements than one, when they succeed with warm caches:
 * none to authenticate, none to limit. A number may only shrink; a new operation gets the one it needs.
 */
const STATEMENTS: Record<string, number> = {
  getHealth: 0,
  getStatus: 0,
  listModes: 0,
  getRateLimits: 0,
  register: 3,
  logIn: 5,
  refreshTokens: 2,
  logOut: 3,
  logOutByLink: 3,
  changePassword: 6,
  endSession: 3,
  replaceProfile: 4,
  exportAccount: 15,
  closeAccount: 16,
  createConversation: 2,
  exportConversation: 3,
  listMessages: 2,
  sendMessage: 2,
  streamMessage: 2,
  cancelGeneration: 2,
  resumeStream: 2,
  createUser: 3,
  changeUser: 5,
  deleteUser: 14,
  createServiceAccount: 3,
  changeServiceAccount: 4,
  deleteServiceAccount: 13,
  listApiKeys: 2,
  createApiKey: 4,
  rotateApiKey: 6,
  revokeApiKey: 4,
}
const moved = new Set<string>(policies.moved.map(({ policy }) => policy.operationId))
const operationIds = policies.operations
  .map(({ operationId }) => operationId)
  .filter((operationId) => !moved.has(operationId))

describe('the statements of a call', () => {
  const counted = new Map<string, number>()

  beforeAll(async () => {
    const testStore = await openLoggedTestStore()
    const watch = async (call: () => Promise<Exchange>): Promise<Exchange> => {
      const { result, queries } = await testStore.during(call)
      const { operationId, status } = result
      if (status !== 200 && status !== 201 && status !== 204) return result
      const fewest = counted.get(operationId) ?? Infinity
      counted.set(operationId, Math.min(fewest, queries.length))
      return result
    }
    await recordScenario({ testStore, watch })
  }, 120_000)

  test.each(operationIds)('do not exceed their limit: %s', (operationId) => {
    const count = counted.get(operationId)
    expect(count, 'tests/support/recorded-scenario does not call it').toBeDefined()
    expect(count, 'see STATEMENTS').toBeLessThanOrEqual(STATEMENTS[operationId] ?? 1)
  })
})
