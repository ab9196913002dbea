import { randomUUID } from 'node:crypto'
import { administer, type Owner } from '../bench/database.ts'

/** The messages of a conversation. Half of them are answers, each with a usage record. */
const MESSAGES = 20
const DAYS = 30
/** Appears in the title of the oldest conversation only. */
export const NEEDLE = 'needle'
/** Appears in no title. */
export const NOTHING = 'haystack'

/** Adds an account with this many messages, spread evenly over the last month. */
export async function addOwner(databaseUrl: string, messages: number): Promise<Owner> {
  const id = randomUUID()
  const email = `${id}@example.com`
  const conversations = messages / MESSAGES
  await administer(
    databaseUrl,
    `INSERT INTO accounts (id, role, email, display_name, created_at, updated_at)
     VALUES ('${id}', 'user', '${email}', 'Ada', now(), now())`,
  )
  await administer(databaseUrl, conversationsOf(id, conversations))
  await administer(databaseUrl, messagesOf(id))
  await administer(databaseUrl, usageOf(id, messages / 2))
  await administer(databaseUrl, 'VACUUM ANALYZE')
  const newest = `SELECT id FROM conversations WHERE owner_id = '${id}' ORDER BY updated_at DESC LIMIT 20`
  const rows = await administer(databaseUrl, newest)
  return { id, email, conversationIds: rows.map((row) => String(row['id'])) }
}

const conversationsOf = (owner: string, count: number) => `
  INSERT INTO conversations (id, owner_id, title, mode, message_count, created_at, updated_at)
  SELECT gen_random_uuid(), '${owner}',
    CASE n WHEN ${count} THEN 'The ${NEEDLE}' ELSE 'Conversation ' || n || ' about the weather' END,
    'balanced', ${MESSAGES}, at, at + interval '1 minute'
  FROM generate_series(1, ${count}) AS n,
    LATERAL (SELECT now() - n * interval '${DAYS} days' / ${count} AS at) AS time`

const messagesOf = (owner: string) => `
  INSERT INTO messages (id, conversation_id, position, role, content, status, mode, model,
    input_tokens, output_tokens, total_tokens, usage_source, created_at)
  SELECT gen_random_uuid(), c.id, n, (ARRAY['user', 'assistant'])[2 - n % 2]::message_role,
    repeat('The sun shines, and it is warm. ', 1 + n % 4), 'complete', 'balanced',
    CASE WHEN n % 2 = 0 THEN 'parley-rules-1' END, CASE WHEN n % 2 = 0 THEN 10 * n END,
    CASE WHEN n % 2 = 0 THEN 20 END, CASE WHEN n % 2 = 0 THEN 10 * n + 20 END,
    CASE WHEN n % 2 = 0 THEN 'estimated'::usage_source END, c.created_at + n * interval '1 second'
  FROM conversations c CROSS JOIN generate_series(1, ${MESSAGES}) AS n
  WHERE c.owner_id = '${owner}'`

const usageOf = (owner: string, count: number) => `
  INSERT INTO usage_records (generation_id, account_id, at, answered, input_tokens, output_tokens,
    total_tokens, source)
  SELECT gen_random_uuid(), '${owner}', now() - n * interval '${DAYS} days' / ${count}, 1, 100, 20,
    120, 'estimated'
  FROM generate_series(1, ${count}) AS n`
