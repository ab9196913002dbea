import { describe, expect, test } from 'vitest'
import {
  accountCalls,
  createSubject,
  endAccount,
  remainingRows,
  sendAccountCall,
} from '../support/account-calls.ts'
import {
  here,
  interrupted,
  testStore,
  there,
  TIMEOUT_MS,
  waitUntilSettled,
} from './closed-accounts.given.ts'

describe('the operations under test', () => {
  test('are more than twenty, with createApiKey, resumeStream and logIn among them', () => {
    const tested = new Set(accountCalls.map(({ operation }) => operation.operationId))

    expect(tested.size).toBeGreaterThan(20)
    expect([...tested]).toEqual(expect.arrayContaining(['createApiKey', 'resumeStream', 'logIn']))
  })
})

/** Any status is right that is no error of the server. */
const expectedStatus = (status: number) => (status < 500 ? status : 'no error of the server')

describe('an account that is deleted on another instance before any query of a call', () => {
  test.each(accountCalls)(
    'keeps no data from $name, which causes no server error',
    async (call) => {
      for (let number = 0; ; number += 1) {
        const subject = await createSubject(here, call.kind)
        const interruption = interrupted.before(number, () => endAccount(here, subject, 'deleted'))

        const { status } = await sendAccountCall(there, subject, call)
        await waitUntilSettled()

        if (!(await interruption.happened())) return
        const left = await remainingRows(testStore.database, subject.id)
        expect({ number, status, left }).toEqual({
          number,
          status: expectedStatus(status),
          left: {},
        })
      }
    },
    TIMEOUT_MS,
  )
})
