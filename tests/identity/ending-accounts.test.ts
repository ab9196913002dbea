import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ChatReply } from '../../generated/api.ts'
import {
  type AccountCall,
  accountCalls,
  type AccountEnd,
  createSubject,
  endAccount,
  type Kind,
  remainingRows,
  sendAccountCall,
  type Subject,
} from '../support/account-calls.ts'
import type { Tokens } from '../support/client.ts'
import { MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import type { TestServer } from '../support/server.ts'
import type { WireResponse } from '../support/wire/wire.ts'
import { Credentials } from './account-credentials.ts'
import {
  clock,
  here,
  startInstance,
  testStore,
  there,
  TIMEOUT_MS,
  waitUntilSettled,
} from './closed-accounts.given.ts'

/** Instances keep a change for at least five minutes, and for two more because clocks differ. */
const CHANGE_RETENTION_MS = 8 * MINUTE_MS

type OnResponse = (response: WireResponse) => void

/** Repeats a call on both instances in turn until `stop`; `warm` resolves after three calls. */
function startLoop(call: AccountCall, first: Subject, onResponse: OnResponse) {
  let isStopped = false
  let calls = 0
  let warmUp: () => void
  const warm = new Promise<void>((resolve) => (warmUp = resolve))
  const run = async () => {
    let subject = first
    for (let callsAfterStop = 0; callsAfterStop < 2; callsAfterStop += isStopped ? 1 : 0) {
      const response = await sendAccountCall(calls % 2 === 0 ? here : there, subject, call)
      onResponse(response)
      calls += 1
      if (calls === 3) warmUp()
      // The next call needs another session or other resources.
      if (isStopped) continue
      if (response.status === 401) subject = await renew(subject, 'session', onResponse)
      if (response.status === 404) subject = await renew(subject, 'resources', onResponse)
    }
  }
  return { warm, stop: () => (isStopped = true), ended: run().finally(() => warmUp()) }
}

/** Calls that would keep the others from their turn; `closed-accounts.test.ts` tests them. */
const NOT_RACED: Record<string, string> = {
  changePassword: 'ends every other session with each call',
  exportAccount: 'reads as long as there is more, and the other calls keep adding',
}

/** @returns whether the account has ended */
const tryToEnd = (subject: Subject, how: AccountEnd) =>
  endAccount(here, subject, how).then(
    () => true,
    () => false,
  )

const operationOf = (operationId: string, form = 'plain') =>
  accountCalls.filter((one) => one.operation.operationId === operationId && one.form === form)

/** Returns the account with a new session or key, or with new resources, as far as it still gets them. */
async function renew(
  subject: Subject,
  lost: 'session' | 'resources',
  onResponse: OnResponse,
): Promise<Subject> {
  const resources = { ...subject.resources }
  const next = { ...subject, resources }
  const callOperation = async (
    operationId: string,
  ): Promise<Record<string, unknown> | undefined> => {
    const call = operationOf(operationId).find(({ kind }) => kind === subject.kind)!
    const response = await sendAccountCall(here, next, call)
    onResponse(response)
    return response.status < 300 ? (response.json() as Record<string, unknown>) : undefined
  }
  if (lost === 'session' && subject.kind === 'user') {
    const pair = (await callOperation('logIn')) as Tokens | undefined
    if (!pair) return subject
    const { accessToken, refreshToken, sessionId } = pair
    resources['sessionId'] = sessionId
    return { ...next, refreshToken, credentials: { Authorization: `Bearer ${accessToken}` } }
  }
  if (lost === 'session') return subject
  if (subject.kind === 'service-account') {
    resources['apiKeyId'] = idIn(await callOperation('createApiKey'))
  }
  const chat = (await callOperation('sendMessage')) as ChatReply | undefined
  if (!chat) return subject
  const { conversationId, generationId, message } = chat
  Object.assign(resources, { conversationId, generationId, messageId: message.id })
  resources['feedbackId'] = idIn(await callOperation('giveFeedback'))
  return next
}

const idIn = (body: Record<string, unknown> | undefined) =>
  (body?.['id'] as string | undefined) ?? randomUUID()

/**
 * Makes every call of the account on both instances at the same time, ends the account in the middle, and
 * resolves when all calls have ended.
 */
async function endDuringCalls(
  subject: Subject,
  how: AccountEnd,
  onResponse: (name: string) => OnResponse,
): Promise<void> {
  const calls = accountCalls.filter(
    (call) => call.kind === subject.kind && !(call.operation.operationId in NOT_RACED),
  )
  const keys = operationOf('createApiKey').filter((call) => call.kind === subject.kind)
  const renewSession = () => renew(subject, 'session', onResponse('before'))
  const loops = await Promise.all(
    [...calls, ...keys, ...keys, ...keys].map(async (call) =>
      startLoop(call, await renewSession(), onResponse(call.name)),
    ),
  )
  await Promise.all(loops.map(({ warm }) => warm))
  // One of the calls may log out the session that ends the account, so it is retried with another.
  while (!(await tryToEnd(await renewSession(), how)));
  for (const { stop } of loops) stop()
  await Promise.all(loops.map(({ ended }) => ended))
  await waitUntilSettled()
}

async function expectRefusedBy(servers: TestServer[], credentials: Credentials, codes: number[]) {
  for (const server of servers) {
    expect(codes).toEqual(expect.arrayContaining(await credentials.tryAll(server)))
  }
}

// On PostgreSQL the statements of all calls run side by side; the embedded database takes them in turn.
describe('an account that ends during concurrent calls on two instances', () => {
  const endings: [Kind, AccountEnd][] = [
    ['user', 'by itself'],
    ['user', 'deleted'],
    ['user', 'disabled'],
    ['service-account', 'deleted'],
    ['service-account', 'disabled'],
  ]

  test.each(endings)(
    'leaves no data if closed, no valid credential and no server error (%s, %s)',
    async (kind, how) => {
      const subject = await createSubject(here, kind)
      const credentials = new Credentials(subject)
      const failures: string[] = []
      const onResponse = (name: string) => (response: WireResponse) => {
        credentials.record(response)
        if (response.status >= 500) failures.push(`${name}: ${response.text}`)
      }

      await advanceUntilSettled([clock], endDuringCalls(subject, how, onResponse))

      expect(failures).toEqual([])
      const isClosed = how !== 'disabled'
      if (isClosed) expect(await remainingRows(testStore.database, subject.id)).toEqual({})

      const codes = isClosed ? [401] : [401, 403]
      // Every instance polls for changes within two seconds.
      await clock.advance(2 * SECOND_MS)
      await there.parley.services.accountStatus.feed.refresh()
      const late = await startInstance(testStore.store)
      await expectRefusedBy([here, there, late], credentials, codes)

      await clock.advance(CHANGE_RETENTION_MS)
      const later = await startInstance(testStore.store)
      await expectRefusedBy([here, there, late, later], credentials, codes)

      for (const server of [late, later]) await server.close()
      await here.parley.services.closure.sweepAll()
      if (!isClosed) return
      expect(await countAddresses(subject.id)).toBe(0)
      expect(await remainingRows(testStore.database, subject.id)).toEqual({})
    },
    TIMEOUT_MS,
  )
})

/** Counts the addresses in events by the account, and in failed attempts to log in to it. */
function countAddresses(id: string): Promise<number> {
  return testStore.database.prisma.auditEvent.count({
    where: {
      address: { not: null },
      OR: [{ actorId: id }, { actorId: null, targetId: id }, { actorId: null, accountId: id }],
    },
  })
}
