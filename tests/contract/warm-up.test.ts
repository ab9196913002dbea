import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { operationIds, exampleRequest } from '../support/contract/contract.ts'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let admin: Client
/** The validator passes each schema to an Ajv, of either class, immediately before it compiles it. */
const compiling = vi.spyOn(Object.getPrototypeOf(Ajv.prototype) as Ajv, 'addSchema')

beforeAll(async () => {
  server = await startServer()
  admin = await server.admin()
})
afterAll(async () => {
  compiling.mockRestore()
  await server.close()
})

describe('warmUp', () => {
  test('compiles the schemas of all operations, so that a first call compiles none', async () => {
    compiling.mockClear()

    await server.parley.warmUp()

    expect(compiling.mock.calls.length).toBeGreaterThan(operationIds.length)

    compiling.mockClear()
    const endsSession = new Set(['logOut', 'logOutByGet', 'changePassword', 'closeAccount'])
    for (const operationId of operationIds.filter((one) => !endsSession.has(one))) {
      const { status } = await admin.call(operationId, exampleRequest(operationId))
      expect(status, operationId).not.toBe(500)
      expect(compiling, operationId).not.toHaveBeenCalled()
    }
  })
})
