import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type AccountCall,
  accountCalls,
  sendAccountCall,
  endAccount,
  type AccountEnd,
  interruptible,
  type Kind,
  createSubject,
  remainingRows,
  type Subject,
} from '../support/account-calls.ts'
import type { ChatReply } from '../../generated/api.ts'
import type { Store } from '../../src/store/store.ts'
import { createClient, type Tokens } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import { send, type WireResponse } from '../support/wire/wire.ts'

const PATIENCE_MS = 240_000
/** A change is remembered for five minutes at least, and two more for clocks that differ. */
const FORGOTTEN_MS = 8 * MINUTE_MS
const env = { ACCESS_TOKEN_TTL_SECONDS: '60', MAX_OPEN_STREAMS: '1000' }

let testStore: TestStore
let clock: TestClock
/** Where accounts are closed. */
let here: TestServer
/** It hears of nothing that happens here until the clock goes on. */
let there: TestServer
let interrupted: ReturnType<typeof interruptible>
const startOn = (store: Store) =>
  startServer({
    testStore,
    clock,
    env,
    replacements: { deps: { store: { ...store, embedded: false } } },
  })
beforeAll(async () => {
  testStore = await openTestStore()
  clock = new TestClock('2026-11-23T09:00:00.000Z')
  interrupted = interruptible(testStore.store)
  here = await startOn(testStore.store)
  there = await startOn(interrupted.store)
})
afterAll(async () => {
  await there.close()
  await here.close()
  await testStore.close()
})

const settled = () =>
  Promise.all([here, there].map(({ parley }) => parley.services.generations.settled()))

test('the operations that are tried are those of the contract that write', () => {
  const tried = new Set(accountCalls.map(({ operation }) => operation.operationId))

  expect(tried.size).toBeGreaterThan(20)
  expect([...tried]).toEqual(expect.arrayContaining(['createApiKey', 'resumeStream', 'logIn']))
})

/** The same status, unless it is an error of the server: that it is none is what the test is about. */
const refusal = (status: number) => (status < 500 ? status : 'no error of the server')

describe('an account that is closed elsewhere at any moment of a call', () => {
  test.each(accountCalls)(
    'gets nothing more from $name',
    async (call) => {
      for (let number = 0; ; number += 1) {
        const subject = await createSubject(here, call.kind)
        const interruption = interrupted.before(number, () => endAccount(here, subject, 'deleted'))
        const { status } = await sendAccountCall(there, subject, call)
        await settled()
        if (!(await interruption.happened())) return
        const left = await remainingRows(testStore.database, subject.id)
        expect({ number, status, left }).toEqual({ number, status: refusal(status), left: {} })
      }
    },
    PATIENCE_MS,
  )
})

/** Everything that was given out to an account and could open something. */
class Credentials {
  readonly tokens = new Set<string>()
  readonly refreshTokens = new Set<string>()
  readonly #subject: Subject

  constructor(subject: Subject) {
    this.#subject = subject
    const { credentials, refreshToken } = subject
    for (const text of Object.values(credentials)) this.tokens.add(text.replace('Bearer ', ''))
    if (refreshToken !== undefined) this.refreshTokens.add(refreshToken)
  }

  note({ status, headers, text }: WireResponse): void {
    if (status >= 300 || !/\bjson$/.test(headers['content-type'] ?? '')) return
    const body = JSON.parse(text) as Record<string, string>
    for (const token of [body['accessToken'], body['secret']]) if (token) this.tokens.add(token)
    if (body['refreshToken']) this.refreshTokens.add(body['refreshToken'])
  }

  /** What each of them is answered, by the status. */
  async tryAll({ url, anonymous: anybody }: TestServer): Promise<number[]> {
    const statuses: number[] = []
    for (const token of this.tokens) {
      const headers = { Authorization: `Bearer ${token}` }
      const address = createClient(url).urlOf('listConversations')
      statuses.push((await send(address, { headers })).status)
    }
    for (const refreshToken of this.refreshTokens) {
      statuses.push((await anybody.call('refreshTokens', { body: { refreshToken } })).status)
    }
    const { email, password } = this.#subject
    if (email !== undefined && password !== undefined) {
      statuses.push((await anybody.call('logIn', { body: { email, password } })).status)
    }
    return [...new Set(statuses)].toSorted()
  }
}

/** Calls it again and again until told; `warm` resolves when it was called some times. */
function startLoop(call: AccountCall, first: Subject, answered: (answer: WireResponse) => void) {
  let isOver = false
  let calls = 0
  let warmUp: () => void
  const warm = new Promise<void>((resolve) => (warmUp = resolve))
  const run = async () => {
    let subject = first
    for (let after = 0; after < 2; after += isOver ? 1 : 0) {
      const answer = await sendAccountCall(calls % 2 === 0 ? here : there, subject, call)
      answered(answer)
      calls += 1
      if (calls === 3) warmUp()
      // Its session has ended, or its thing is gone: the next call is to find others.
      if (isOver) continue
      if (answer.status === 401) subject = await renewed(subject, 'session', answered)
      if (answer.status === 404) subject = await renewed(subject, 'resources', answered)
    }
  }
  return { warm, over: () => (isOver = true), ended: run().finally(() => warmUp()) }
}

/** What has its turn above, and would keep the others here from theirs. */
const NOT_RACED: Record<string, string> = {
  changePassword: 'ends every other session with each call',
  exportAccount: 'reads on for as long as there is more, and here there is always more',
}

const hasEnded = (subject: Subject, how: AccountEnd) =>
  endAccount(here, subject, how).then(
    () => true,
    () => false,
  )

const operationOf = (operationId: string, form = 'plain') =>
  accountCalls.filter((one) => one.operation.operationId === operationId && one.form === form)

/** The same account with another session or key, or with other things, as far as it still gets them. */
async function renewed(
  subject: Subject,
  lost: 'session' | 'resources',
  answered: (answer: WireResponse) => void,
): Promise<Subject> {
  const resources = { ...subject.resources }
  const next = { ...subject, resources }
  const ask = async (operationId: string): Promise<Record<string, unknown> | undefined> => {
    const call = operationOf(operationId).find(({ kind }) => kind === subject.kind)!
    const answer = await sendAccountCall(here, next, call)
    answered(answer)
    return answer.status < 300 ? (answer.json() as Record<string, unknown>) : undefined
  }
  if (lost === 'session' && subject.kind === 'user') {
    const pair = (await ask('logIn')) as Tokens | undefined
    if (!pair) return subject
    const { accessToken, refreshToken, sessionId } = pair
    resources['sessionId'] = sessionId
    return { ...next, refreshToken, credentials: { Authorization: `Bearer ${accessToken}` } }
  }
  if (lost === 'session') return subject
  if (subject.kind === 'service-account') resources['apiKeyId'] = idIn(await ask('createApiKey'))
  const chat = (await ask('sendMessage')) as ChatReply | undefined
  if (!chat) return subject
  const { conversationId, generationId, message } = chat
  Object.assign(resources, { conversationId, generationId, messageId: message.id })
  resources['feedbackId'] = idIn(await ask('giveFeedback'))
  return next
}

const idIn = (body: Record<string, unknown> | undefined) =>
  (body?.['id'] as string | undefined) ?? randomUUID()

// On PostgreSQL the statements of all calls run side by side; the embedded database takes them in turn.
describe('an account that ends while everything is done for it on two instances at once', () => {
  const endings: [Kind, AccountEnd][] = [
    ['user', 'by itself'],
    ['user', 'deleted'],
    ['user', 'disabled'],
    ['service-account', 'deleted'],
    ['service-account', 'disabled'],
  ]

  test.each(endings)(
    '%s %s: nothing is left, nothing opens, nobody gets an error of the server',
    async (kind, how) => {
      const subject = await createSubject(here, kind)
      const credentials = new Credentials(subject)
      const failures: string[] = []
      const answered = (name: string) => (answer: WireResponse) => {
        credentials.note(answer)
        if (answer.status >= 500) failures.push(`${name}: ${answer.text}`)
      }
      const calls = accountCalls.filter(
        (call) => call.kind === kind && !(call.operation.operationId in NOT_RACED),
      )
      const keys = operationOf('createApiKey').filter((call) => call.kind === kind)
      const race = async () => {
        const loops = await Promise.all(
          [...calls, ...keys, ...keys, ...keys].map(async (call) =>
            startLoop(
              call,
              await renewed(subject, 'session', answered('before')),
              answered(call.name),
            ),
          ),
        )
        await Promise.all(loops.map(({ warm }) => warm))
        // By itself it may be logged out by another of these calls, and logs in once more.
        while (!(await hasEnded(await renewed(subject, 'session', answered('before')), how)));
        for (const { over } of loops) over()
        await Promise.all(loops.map(({ ended }) => ended))
        await settled()
      }
      await advanceUntilSettled([clock], race())
      expect(failures).toEqual([])

      const isClosed = how !== 'disabled'
      if (isClosed) expect(await remainingRows(testStore.database, subject.id)).toEqual({})
      const refusals = isClosed ? [401] : [401, 403]
      // Two seconds later every instance has heard of it.
      await clock.advance(2 * SECOND_MS)
      await there.parley.services.accountStatus.feed.refresh()
      const late = await startOn(testStore.store)
      for (const server of [here, there, late]) {
        expect(refusals).toEqual(expect.arrayContaining(await credentials.tryAll(server)))
      }
      await clock.advance(FORGOTTEN_MS)
      const later = await startOn(testStore.store)
      for (const server of [here, there, late, later]) {
        expect(refusals).toEqual(expect.arrayContaining(await credentials.tryAll(server)))
      }
      for (const server of [late, later]) await server.close()
      await here.parley.services.closure.sweepAll()
      if (isClosed) expect(await addressesLeft(subject.id)).toBe(0)
      expect(isClosed ? await remainingRows(testStore.database, subject.id) : {}).toEqual({})
    },
    PATIENCE_MS,
  )
})

/** Of events that the account made, and of those in which somebody tried to be it. */
function addressesLeft(id: string): Promise<number> {
  return testStore.database.prisma.auditEvent.count({
    where: {
      address: { not: null },
      OR: [{ actorId: id }, { actorId: null, targetId: id }, { actorId: null, accountId: id }],
    },
  })
}
