import type { LoggedTestStore } from '../support/database/query-log.ts'
import { givenAccount, now } from './given.ts'

const CONVERSATIONS = 10_000
/** The ones whose last change is oldest. */
const ARCHIVED = 100
const ACCOUNTS = 10_000
/** The ones that were created first. */
const SERVICE_ACCOUNTS = 100
const MESSAGES_IN_ONE = 50_000
/** Usage records and audit events of each account. */
export const RECORDS = 50_000

/** Fills the database with many rows of two accounts; returns one of them and its long conversation. */
export async function fillDatabase(testStore: LoggedTestStore) {
  const { store, pglite } = testStore
  const { id: ownerId } = await givenAccount(store)
  const { id: otherId } = await givenAccount(store)
  await createAccounts(testStore)
  for (const id of [otherId, ownerId]) await fillAccount(testStore, id)
  const [first] = await store.conversations.walk({ ownerId, limit: 1 })
  const longConversationId = first!.id
  await fillConversation(testStore, longConversationId)
  await pglite.exec('ANALYZE')
  return { ownerId, longConversationId }
}

/** Conversations of one message, feedback, usage and audit events, a second or a minute apart. */
async function fillAccount({ pglite }: LoggedTestStore, accountId: string): Promise<void> {
  const at = (step: string) => `timestamptz '${now.toISOString()}' - i * interval '${step}'`
  const account = `'${accountId}'::uuid`
  await pglite.exec(`
    INSERT INTO conversations (id, owner_id, title, mode, created_at, updated_at, message_count,
      archived)
    SELECT gen_random_uuid(), ${account}, 'Conversation ' || i, 'balanced', ${at('1 second')},
      ${at('1 second')}, 1, i > ${CONVERSATIONS - ARCHIVED}
    FROM generate_series(1, ${CONVERSATIONS}) i;
    INSERT INTO messages (id, conversation_id, position, role, content, status, created_at)
    SELECT gen_random_uuid(), id, 1, 'assistant', 'Hello', 'complete', created_at
    FROM conversations WHERE owner_id = ${account};
    INSERT INTO feedback (id, account_id, message_id, rating, created_at, updated_at)
    SELECT gen_random_uuid(), ${account}, m.id,
      (CASE WHEN c.archived THEN 'down' ELSE 'up' END)::rating, m.created_at, m.created_at
    FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE c.owner_id = ${account};
    INSERT INTO usage_records (generation_id, account_id, at, answered, total_tokens)
    SELECT gen_random_uuid(), ${account}, ${at('1 minute')}, 1, 10
    FROM generate_series(1, ${RECORDS}) i;
    INSERT INTO audit_events (id, at, event, actor_id, target_id, request_id)
    SELECT gen_random_uuid(), ${at('1 second')}, 'session.created', ${account},
      gen_random_uuid(), 'test'
    FROM generate_series(1, ${RECORDS}) i;`)
}

async function createAccounts({ pglite }: LoggedTestStore): Promise<void> {
  await pglite.exec(`
    INSERT INTO accounts (id, role, email, display_name, created_at, updated_at)
    SELECT gen_random_uuid(), (CASE WHEN i > ${ACCOUNTS} THEN 'service' ELSE 'user' END)::role,
      'person' || i || '@example.com', CASE WHEN i > ${ACCOUNTS} THEN 'Robot' ELSE 'Person' END,
      timestamptz '${now.toISOString()}' - i * interval '1 second', now()
    FROM generate_series(1, ${ACCOUNTS + SERVICE_ACCOUNTS}) i`)
}

async function fillConversation({ pglite }: LoggedTestStore, id: string): Promise<void> {
  await pglite.exec(`
    INSERT INTO messages (id, conversation_id, position, role, content, status, created_at)
    SELECT gen_random_uuid(), '${id}', i, 'assistant', 'Hello', 'complete', now()
    FROM generate_series(2, ${MESSAGES_IN_ONE}) i;
    UPDATE conversations SET message_count = ${MESSAGES_IN_ONE} WHERE id = '${id}';`)
}

type Statement = { sql: string; parameters: unknown[] }

type Node = {
  'Node Type': string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: Node[]
}

/** Runs a statement again with EXPLAIN; `rowsRead` is the number of rows that its scans read. */
export async function explain({ pglite }: LoggedTestStore, { sql, parameters }: Statement) {
  const { rows } = await pglite.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
    `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
    parameters,
  )
  const root = rows[0]!['QUERY PLAN'][0].Plan
  return { rowsRead: rowsReadBy(root), text: JSON.stringify(root, null, 1) }
}

function rowsReadBy(node: Node): number {
  const below = (node.Plans ?? []).reduce((sum, child) => sum + rowsReadBy(child), 0)
  if (!node['Node Type'].includes('Scan') || node['Node Type'] === 'Subquery Scan') return below
  const removed =
    (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  return below + (node['Actual Rows'] + removed) * node['Actual Loops']
}
