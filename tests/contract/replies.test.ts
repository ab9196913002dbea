import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OperationId } from '../../src/contract/types.ts'
import type { Operations } from '../../src/operations/operation.ts'
import type { Client } from '../support/client.ts'
import { exampleRequest, operationIds } from '../support/contract/contract.ts'
import { Problem } from '../../src/domain/problem.ts'
import { startServer, type TestServer } from '../support/server.ts'

/** What the handlers answer in the place of the truth, changed by each test. */
let wrongReply: unknown

let server: TestServer
let alice: Client

beforeAll(async () => {
  const lies = () => Promise.resolve(wrongReply)
  server = await startServer({
    allowsViolations: true,
    replacements: {
      operations: (real) => {
        const wrong = Object.keys(real).map((operationId) => [operationId, lies])
        return { ...(Object.fromEntries(wrong) as Operations), logIn: real.logIn }
      },
    },
  })
  // Somebody who may do everything, so that nothing is refused for want of a scope.
  alice = await server.admin()
})
afterAll(() => server.close())

const MISTAKES: Record<string, unknown> = {
  'a body with one property too many': { status: 200, body: { status: 'up', secret: 'leaked' } },
  'an undocumented status': { status: 299, body: {} },
  'an undocumented status without a body': { status: 299 },
  'a problem that nobody threw': { status: 401, body: { code: 'leaked' } },
  'an undocumented problem': { status: 418, body: { code: 'leaked' } },
  'no body where one is promised': { status: 200 },
  'a body where none is promised': { status: 204, body: { secret: 'leaked' } },
}

describe.each(operationIds.filter((operationId) => operationId !== 'logIn'))(
  '%s never sends what the contract does not promise',
  (operationId: OperationId) => {
    test.each(Object.keys(MISTAKES))('%s becomes 500 internal, and is logged', async (mistake) => {
      wrongReply = MISTAKES[mistake]
      const before = server.logLines().length
      const answer = await alice.refused('internal', operationId, exampleRequest(operationId))
      expect(answer.status).toBe(500)
      expect(JSON.stringify(answer.body)).not.toContain('leaked')

      const violations = server
        .logLines()
        .slice(before)
        .filter(({ msg }) => msg === 'contract violated')
      expect(violations).toHaveLength(1)
      expect(violations[0]).toMatchObject({ operationId, violation: expect.any(String) as string })
    })
  },
)

test('a login that answers with one property too many becomes 500 internal', async () => {
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
  const answer = await other.anonymous.refused('internal', 'logIn', { body })
  expect(JSON.stringify(answer.body)).not.toContain('leaked')

  await other.close()
})

test('a problem that breaks the contract becomes 500 internal, and is logged', async () => {
  const other = await startServer({
    allowsViolations: true,
    replacements: {
      operations: (real) => ({
        ...real,
        // The contract wants at least one character.
        getProfile: () => Promise.reject(new Problem('precondition-failed', { detail: '' })),
        replaceProfile: () => Promise.reject(new Problem('account-disabled', { detail: '' })),
      }),
    },
  })
  const bob = await other.createUser()
  // Undocumented for this operation, and documented for that one.
  await bob.refused('internal', 'getProfile')
  await bob.refused('internal', 'replaceProfile', { body: { displayName: 'Bob', preferences: {} } })
  const violations = other.logLines().filter(({ msg }) => msg === 'contract violated')
  expect(violations).toHaveLength(2)

  await other.close()
})
