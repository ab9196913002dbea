import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect } from 'vitest'
import type { ExportRecord } from '../../generated/api.ts'
import { ResponseCheck } from '../../src/contract/responses/response-check.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import type { Client } from '../support/client.ts'
import { contract } from '../support/contract/contract.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'
import { send } from '../support/wire/wire.ts'

/** The rows that the server reads at a time. */
export const PAGE_SIZE = 200

export const failAsUnavailable = () =>
  Promise.reject(new DatabaseUnavailable('The database is unavailable'))

// A server with open registration, on a store whose calls a test can replace.
export let testStore: TestStore
export let watched: SpyStore
export let server: TestServer

beforeAll(async () => {
  testStore = await openTestStore()
  watched = spyOnStore(testStore.store)
  const env = { REGISTRATION: 'open' }
  server = await startServer({ testStore, env, replacements: { deps: { store: watched.store } } })
})

afterAll(async () => {
  await server.close()
  await testStore.close()
})

export const prisma = () => testStore.database.prisma

const responses = new ResponseCheck(contract.document)

const checkRecord = (record: unknown) => responses.item('exportAccount', record)

/** Returns the records of a complete export, each checked against the contract. */
function recordsOf(text: string): ExportRecord[] {
  expect(text.endsWith('\n')).toBe(true)
  // Some readers end a line at each of these.
  for (const end of '\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029') expect(text).not.toContain(end)
  const records = text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line) as ExportRecord)
  expect(records.map(checkRecord).filter((violation) => violation !== undefined)).toEqual([])
  return records
}

/** Reads the export of the account, or of one conversation. */
export async function readExport(client: Client, conversationId?: string): Promise<ExportRecord[]> {
  const address =
    conversationId === undefined
      ? client.urlOf('exportAccount')
      : client.urlOf('exportConversation', { path: { conversationId } })
  const { status, headers, text } = await send(address, { headers: client.credentials })
  expect([status, headers['content-type']]).toEqual([200, 'application/x-ndjson'])
  expect(headers).toMatchObject({ 'cache-control': 'no-store' })
  expect(headers['ratelimit']).toMatch(/^"user";r=/)
  return recordsOf(text)
}

export type Kind = ExportRecord['type']

type RecordOf<K extends Kind> = Extract<ExportRecord, { type: K }>

export const ofKind = <K extends Kind>(records: readonly ExportRecord[], kind: K) =>
  records.filter((record): record is RecordOf<K> => record.type === kind)

/** Inserts conversations that all have the same time. @returns their ids */
export async function insertConversations(ownerId: string, count: number): Promise<string[]> {
  const at = server.clock.now()
  const rows = Array.from({ length: count }, (_, i) => ({
    id: randomUUID(),
    ownerId,
    title: `Talk ${String(i)}`,
    mode: 'balanced',
    createdAt: at,
    updatedAt: at,
  }))
  await prisma().conversation.createMany({ data: rows })
  return rows.map(({ id }) => id)
}

/** Inserts messages whose text is `content` and their position. */
export async function insertMessages(conversationId: string, count: number, content: string) {
  await prisma().$executeRaw`
    INSERT INTO messages (id, conversation_id, position, role, content, status, created_at)
    SELECT gen_random_uuid(), ${conversationId}::uuid, i, 'user', ${content}::text || i, 'complete',
      ${server.clock.now()}::timestamptz
    FROM generate_series(1, ${count}::int) i`
  const where = { id: conversationId }
  await prisma().conversation.update({ where, data: { messageCount: count } })
}
