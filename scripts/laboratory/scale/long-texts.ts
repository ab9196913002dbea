import { randomUUID } from 'node:crypto'
import { administer, type Owner } from '../bench/database.ts'
import { openDatabase } from '../../../src/store/database/database.ts'
import { migrate } from '../../../src/store/migrations/migrate.ts'

/** 95,700 bytes, the longest message that the contract allows. */
const QUESTION = `repeat('한', 31900)`
const ANSWER = `'I see. Tell me more.'`

export type Execute = (sql: string) => Promise<unknown>

/** Adds callers with one conversation each, which has this many of the longest questions and their answers. */
export async function addReaders(
  execute: Execute,
  { readers, questions }: { readers: number; questions: number },
): Promise<Owner[]> {
  const owners: Owner[] = []
  for (let i = 0; i < readers; i += 1) {
    const [id, conversation] = [randomUUID(), randomUUID()]
    const email = `${id}@example.com`
    await execute(
      `INSERT INTO accounts (id, role, email, display_name, created_at, updated_at)
       VALUES ('${id}', 'user', '${email}', 'Ada', now(), now())`,
    )
    await execute(
      `INSERT INTO conversations (id, owner_id, title, mode, message_count, created_at, updated_at)
       VALUES ('${conversation}', '${id}', 'Long', 'balanced', ${2 * questions}, now(), now())`,
    )
    await execute(
      `INSERT INTO messages (id, conversation_id, position, role, content, status, created_at)
       SELECT gen_random_uuid(), '${conversation}', n,
         (ARRAY['assistant', 'user'])[1 + n % 2]::message_role,
         CASE n % 2 WHEN 1 THEN ${QUESTION} ELSE ${ANSWER} END, 'complete', now()
       FROM generate_series(1, ${2 * questions}) AS n`,
    )
    owners.push({ id, email, conversationIds: [conversation] })
  }
  return owners
}

/** Executes statements on a PostgreSQL server. */
export function onServer(databaseUrl: string): { execute: Execute; close: () => Promise<void> } {
  return { execute: (sql) => administer(databaseUrl, sql), close: () => Promise.resolve() }
}

/** Executes statements on the embedded database in this folder. */
export async function inFolder(
  dataDir: string,
): Promise<{ execute: Execute; close: () => Promise<void> }> {
  const database = await openDatabase({ dataDir })
  await migrate(database)
  return {
    execute: (sql) => database.prisma.$executeRawUnsafe(sql),
    close: () => database.close(),
  }
}
