import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { createPasswords } from '../../../src/ports/passwords/passwords.ts'
import { deriveKey, loadServerSecret } from '../../../src/ports/keys/server-secret.ts'
import { openStore } from '../../../src/store/store.ts'

/** The number of callers, conversations of each, and messages in each conversation. */
const PEOPLE = 20
const CONVERSATIONS = 100
const MESSAGES = 10
/** The password of every caller. */
export const PASSWORD = 'correct horse battery staple'

export type Owner = { id: string; email: string; conversationIds: string[] }

/** A filled database, of which each server gets its own copy. */
export type Template = {
  owners: Owner[]
  /** @returns the URL of the copy */
  copy(name: string): Promise<string>
  /** Removes the template and its copies. */
  drop(): Promise<void>
}

/** Creates Parley's tables and fills them. @throws if the server is unreachable */
export async function createTemplate(serverUrl: string, serverSecret: string): Promise<Template> {
  const prefix = `parley_bench_${process.pid}`
  const names: string[] = []
  const create = async (name: string, template: string) => {
    const full = `${prefix}_${name.replaceAll(/\W/g, '_')}`
    await administer(serverUrl, `CREATE DATABASE "${full}" TEMPLATE "${template}"`)
    names.push(full)
    const url = new URL(serverUrl)
    url.pathname = `/${full}`
    return url.href
  }
  const drop = async () => {
    for (const name of names.splice(0).reverse()) {
      await administer(serverUrl, `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`)
    }
  }
  try {
    const url = await create('template', 'template0')
    const owners = await fill(url, serverSecret)
    return { owners, copy: (name) => create(name, names[0]!), drop }
  } catch (error) {
    await drop()
    throw error
  }
}

async function fill(url: string, serverSecret: string): Promise<Owner[]> {
  const secret = await loadServerSecret({ given: serverSecret, dataDir: '' })
  const passwords = createPasswords({ key: deriveKey(secret, 'passwords'), cost: 11 })
  const passwordHash = await passwords.hash(PASSWORD)
  const store = await openStore({ databaseUrl: url })
  const ids = Array.from({ length: PEOPLE }, () => randomUUID())
  const now = new Date()
  const emailOf = (id: string) => `${id}@example.com`
  for (const id of ids) {
    const account = { id, role: 'user' as const, email: emailOf(id), displayName: 'Ada' }
    await store.accounts.create({ ...account, passwordHash, now })
  }
  await store.close()
  await administer(url, CONVERSATIONS_OF_ALL)
  await administer(url, MESSAGES_OF_ALL)
  await administer(url, 'VACUUM ANALYZE')
  const rows = await administer(url, 'SELECT id, owner_id FROM conversations ORDER BY id')
  return ids.map((id) => {
    const own = rows.filter((row) => row['owner_id'] === id)
    return { id, email: emailOf(id), conversationIds: own.map((row) => String(row['id'])) }
  })
}

const CONVERSATIONS_OF_ALL = `
  INSERT INTO conversations (id, owner_id, title, mode, message_count, created_at, updated_at)
  SELECT gen_random_uuid(), a.id, 'Conversation ' || n || ' about the weather', 'balanced',
    ${MESSAGES}, now() - n * interval '1 hour', now() - n * interval '1 minute'
  FROM accounts a CROSS JOIN generate_series(1, ${CONVERSATIONS}) AS n`

const MESSAGES_OF_ALL = `
  INSERT INTO messages (id, conversation_id, position, role, content, status, mode, model,
    input_tokens, output_tokens, total_tokens, usage_source, created_at)
  SELECT gen_random_uuid(), c.id, n, (ARRAY['user', 'assistant'])[2 - n % 2]::message_role,
    repeat('The sun shines, and it is warm. ', 1 + n % 4), 'complete', 'balanced',
    CASE WHEN n % 2 = 0 THEN 'parley-rules-1' END, CASE WHEN n % 2 = 0 THEN 10 * n END,
    CASE WHEN n % 2 = 0 THEN 20 END, CASE WHEN n % 2 = 0 THEN 10 * n + 20 END,
    CASE WHEN n % 2 = 0 THEN 'estimated'::usage_source END, c.created_at + n * interval '1 second'
  FROM conversations c CROSS JOIN generate_series(1, ${MESSAGES}) AS n`

/** Runs one statement and returns its rows. */
export async function administer(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}
