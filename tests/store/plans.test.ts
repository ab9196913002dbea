import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LOOKED_AT_ONCE } from '../../src/store/searching.ts'
import type { Searched, Store, UsageQuery } from '../../src/store/store.ts'
import { type LoggedTestStore, openLoggedTestStore } from '../support/database/query-log.ts'
import { givenAccount, later, now } from './given.ts'
import { RECORDS, explain, fillDatabase } from './plans.given.ts'

/*
 * In a large database, each list reads about as many rows as it returns, at any position in the list.
 */

const LIMIT = 20
/** Rows read for each requested row: one by an index, and the rows that belong to it. */
const READ_PER_ROW = 4
const USERS = 2
/** One per minute. */
const RECORDS_PER_HOUR = 60
/** The number of hours with records. */
const HOURS = Math.ceil(RECORDS / RECORDS_PER_HOUR) + 1
const DAY_MS = 86_400_000
const MONTH_MS = 31 * DAY_MS
const YEAR_MS = 366 * DAY_MS
/** The span until now, which is in the middle of an hour. */
const lastSpan = (ms: number) => ({ from: later(-ms), to: now })

let testStore: LoggedTestStore
let store: Store
let ownerId: string
let longConversationId: string
beforeAll(async () => {
  testStore = await openLoggedTestStore()
  store = testStore.store
  ;({ ownerId, longConversationId } = await fillDatabase(testStore))
}, 180_000)
afterAll(() => testStore.close())

describe('a large database', () => {
  const after = { updatedAt: later(-5_000_000), id: '00000000-0000-4000-8000-000000000000' }
  const middle = '80000000-0000-4000-8000-000000000000'
  const lists: [string, () => Promise<unknown[]>][] = [
    ['conversations', () => store.conversations.list({ ownerId, limit: LIMIT })],
    ['conversations, later', () => store.conversations.list({ ownerId, limit: LIMIT, after })],
    [
      'conversations, archived',
      () => store.conversations.list({ ownerId, archived: true, limit: LIMIT }),
    ],
    [
      'conversations, searched',
      async () => (await store.conversations.search({ ownerId, text: 'TION', limit: LIMIT })).found,
    ],
    ['accounts', () => store.accounts.list({ roles: ['user', 'admin'], limit: LIMIT })],
    ['accounts of one role', () => store.accounts.list({ roles: ['service'], limit: LIMIT })],
    [
      'accounts, searched',
      async () =>
        (await store.accounts.search({ roles: ['service'], text: 'ROBOT', limit: LIMIT })).found,
    ],
    ['conversations to export', () => store.conversations.walk({ ownerId, limit: LIMIT })],
    [
      'conversations to export, later',
      () => store.conversations.walk({ ownerId, limit: LIMIT, afterId: middle }),
    ],
    [
      'messages',
      async () =>
        (await store.messages.list({ conversationId: longConversationId, limit: LIMIT })).found,
    ],
    [
      'messages, later',
      async () =>
        (
          await store.messages.list({
            conversationId: longConversationId,
            limit: LIMIT,
            after: 40_000,
          })
        ).found,
    ],
    [
      'the latest messages',
      async () =>
        (await store.conversations.findWithLatestMessages({
          id: longConversationId,
          ownerId,
          limit: LIMIT,
        }))!.messages,
    ],
    [
      'messages for the engine',
      () =>
        store.messages.history({
          conversationId: longConversationId,
          beforePosition: 45_000,
          limit: LIMIT,
        }),
    ],
    ['usage to export', () => store.usage.list({ accountId: ownerId, limit: LIMIT })],
    [
      'usage to export, later',
      () =>
        store.usage.list({
          accountId: ownerId,
          limit: LIMIT,
          after: { at: later((-RECORDS / 2) * 60_000), generationId: middle },
        }),
    ],
    [
      'feedback',
      async () => (await store.feedback.list({ accountId: ownerId, limit: LIMIT })).found,
    ],
    [
      'feedback, later',
      async () => (await store.feedback.list({ accountId: ownerId, limit: LIMIT, after })).found,
    ],
    ['feedback of all accounts', async () => (await store.feedback.list({ limit: LIMIT })).found],
    [
      'feedback of one rating',
      async () => (await store.feedback.list({ rating: 'down', limit: LIMIT })).found,
    ],
    ['feedback to export', () => store.feedback.walk({ accountId: ownerId, limit: LIMIT })],
    [
      'feedback to export, later',
      () => store.feedback.walk({ accountId: ownerId, limit: LIMIT, afterMessageId: middle }),
    ],
    ['audit events', () => store.auditEvents.list({ limit: LIMIT })],
    [
      'audit events, later',
      () => store.auditEvents.list({ limit: LIMIT, after: { at: later(-5_000_000), id: middle } }),
    ],
    [
      'audit events of one account',
      () => store.auditEvents.list({ actorId: ownerId, limit: LIMIT }),
    ],
  ]
  test.each(lists)('reads few rows for a page: %s', async (_name, list) => {
    const { result, queries } = await testStore.during(list)

    expect(result).toHaveLength(LIMIT)
    expect(queries).toHaveLength(1)
    const { rowsRead, text } = await explain(testStore, queries[0]!)
    expect(rowsRead, text).toBeLessThanOrEqual(LIMIT * READ_PER_ROW)
  })

  test.each<[string, () => Promise<unknown>]>([
    ['one account', () => store.accounts.find(ownerId)],
    ['one conversation', () => store.conversations.find({ id: longConversationId, ownerId })],
  ])('reads one row to find one: %s', async (_name, find) => {
    const { queries } = await testStore.during(find)

    for (const query of queries) expect((await explain(testStore, query)).rowsRead).toBe(1)
  })

  const searches: [string, () => Promise<Searched<unknown>>][] = [
    ['conversations', () => store.conversations.search({ ownerId, text: 'nowhere', limit: LIMIT })],
    [
      'conversations, by a single letter',
      () => store.conversations.search({ ownerId, text: '없', limit: LIMIT }),
    ],
    [
      'conversations, not archived',
      () => store.conversations.search({ ownerId, archived: false, text: 'x', limit: LIMIT }),
    ],
    [
      'accounts',
      () => store.accounts.search({ roles: ['user', 'admin'], text: 'nowhere', limit: LIMIT }),
    ],
  ]
  test.each(searches)(
    'reads 5,000 rows for a search without a match: %s',
    async (_name, search) => {
      const { result, queries } = await testStore.during(search)

      expect(result).toMatchObject({ found: [], lookedUpTo: { id: expect.any(String) as string } })
      expect(queries).toHaveLength(1)
      const { rowsRead, text } = await explain(testStore, queries[0]!)
      expect(rowsRead, text).toBe(LOOKED_AT_ONCE)
    },
  )

  const reports: [string, () => UsageQuery, number][] = [
    [
      'a day of one account',
      () => ({ accountId: ownerId, ...lastSpan(DAY_MS), granularity: 'hour' }),
      25,
    ],
    [
      'a month of one account',
      () => ({ accountId: ownerId, ...lastSpan(MONTH_MS), granularity: 'hour' }),
      745,
    ],
    [
      'a year of one account',
      () => ({ accountId: ownerId, ...lastSpan(YEAR_MS), granularity: 'day' }),
      HOURS,
    ],
    ['a year of all accounts', () => ({ ...lastSpan(YEAR_MS), granularity: 'day' }), HOURS],
  ]
  test.each(reports)(
    'reads hours and the records of two of them for a usage report: %s',
    async (_name, query, hours) => {
      const { result, queries } = await testStore.during(() => store.usage.report(query()))

      const requests = result.reduce((sum, bucket) => sum + bucket.requests, 0)
      expect(requests).toBeGreaterThan(23 * RECORDS_PER_HOUR)
      expect(queries).toHaveLength(1)
      const { rowsRead, text } = await explain(testStore, queries[0]!)
      expect(rowsRead, text).toBeLessThanOrEqual(USERS * (hours + 2 * 2 * RECORDS_PER_HOUR))
    },
  )
})

test('disownUsage takes 5,000 records at a time, and reports of all accounts keep them', async () => {
  const { id } = await givenAccount(store)
  const records = 12_000
  await testStore.pglite.exec(`
    INSERT INTO usage_records (generation_id, account_id, at, answered)
    SELECT gen_random_uuid(), '${id}', timestamptz '2020-01-01T10:00:00Z' + i * interval '1 second', 1
    FROM generate_series(1, ${records}) i`)
  const span = { from: new Date('2020-01-01T10:10:00Z'), to: new Date('2020-01-02T00:00:00Z') }
  const report = (owner: object) => store.usage.report({ ...span, ...owner, granularity: 'day' })

  expect(await report({ accountId: id })).toMatchObject([{ requests: records - 599 }])
  for (const left of [7_000, 2_000, 0]) {
    expect(await store.closedAccounts.disownUsage(id)).toBe(true)
    const { prisma } = testStore.database
    expect(await prisma.usageRecord.count({ where: { accountId: id } })).toBe(left)
    expect(await report({ accountId: id })).toEqual([])
    expect(await report({})).toMatchObject([{ requests: records - 599 }])
  }
  expect(await store.closedAccounts.disownUsage(id)).toBe(false)
})
