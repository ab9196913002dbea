import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OperationId } from '../../src/contract/types.ts'
import type { Operations } from '../../src/operations/operation.ts'
import type { Client } from '../support/client.ts'
import { exampleRequest, operationIds } from '../support/contract/contract.ts'
import { Problem } from '../../src/domain/problem.ts'
import { startServer, type TestServer } from '../support/server.ts'

/** The reply of every handler; each test sets it. */
let wrongReply: unknown

let server: TestServer
let alice: Client

beforeAll(async () => {
  const replyWrongly = () => Promise.resolve(wrongReply)
  server = await startServer({
    allowsViolations: true,
    replacements: {
      operations: (real) => {
        const wrong = Object.keys(real).map((operationId) => [operationId, replyWrongly])
        return { ...(Object.fromEntries(wrong) as Operations), logIn: real.logIn }
      },
    },
  })
  // An administrator, so that no call is refused for a missing scope.
  alice = await server.admin()
})
afterAll(() => server.close())

const MISTAKES: Record<string, unknown> = {
  'a body with an undocumented property': { status: 200, body: { status: 'up', secret: 'leaked' } },
  'an undocumented status': { status: 299, body: {} },
  'an undocumented status without a body': { status: 299 },
  'a problem that was not thrown': { status: 401, body: { code: 'leaked' } },
  'an undocumented problem': { status: 418, body: { code: 'leaked' } },
  'no body where the contract promises one': { status: 200 },
  'a body where the contract promises none': { status: 204, body: { secret: 'leaked' } },
}

describe.each(operationIds.filter((operationId) => operationId !== 'logIn'))(
  '%s',
  (operationId: OperationId) => {
    test.each(Object.keys(MISTAKES))('turns %s into 500 internal and logs it', async (mistake) => {
      wrongReply = MISTAKES[mistake]
      const before = server.logLines().length

      const response = await alice.refused('internal', operationId, exampleRequest(operationId))

      expect(response.status).toBe(500)
      expect(JSON.stringify(response.body)).not.toContain('leaked')

      const violations = server
        .logLines()
        .slice(before)
        .filter(({ msg }) => msg === 'contract violated')
      expect(violations).toHaveLength(1)
      expect(violations[0]).toMatchObject({ operationId, violation: expect.any(String) as string })
    })
  },
)

test('a login reply with an undocumented property becomes 500 internal', async () => {
  const other = await startServer({
    allowsViolations: true,
    replacements: {
      operations: (real) => ({
        ...real,
        async logIn(input, caller, call) {
          const reply = await real.logIn(input, caller, call)
          return { ...reply, body: { ...reply.body, secret: 'leaked' } }
        },
      }),
    },
  })
  const body = { email: 'admin@example.com', password: 'the admin of the tests' }

  const response = await other.anonymous.refused('internal', 'logIn', { body })

  expect(JSON.stringify(response.body)).not.toContain('leaked')

  await other.close()
})

test('a problem that breaks the contract becomes 500 internal and is logged', async () => {
  const other = await startServer({
    allowsViolations: true,
    replacements: {
      operations: (real) => ({
        ...real,
        // The contract requires at least one character.
        getProfile: () => Promise.reject(new Problem('precondition-failed', { detail: '' })),
        replaceProfile: () => Promise.reject(new Problem('account-disabled', { detail: '' })),
      }),
    },
  })
  const bob = await other.createUser()

  // The code is undocumented for the first operation and documented for the second.
  await bob.refused('internal', 'getProfile')
  await bob.refused('internal', 'replaceProfile', { body: { displayName: 'Bob', preferences: {} } })
  const violations = other.logLines().filter(({ msg }) => msg === 'contract violated')

  expect(violations).toHaveLength(2)

  await other.close()
})
