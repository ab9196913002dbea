import type { Database } from './database.ts'
import { StartRefused } from '../../ports/start-refused.ts'

/**
 * In any other encoding, writing a message of another language fails, or, in SQL_ASCII, stores bytes of
 * unknown meaning.
 * @throws StartRefused for a database that is not in UTF-8
 */
export async function requireUtf8({ query }: Database): Promise<void> {
  const [found] = await query<[{ encoding: string }]>`
    SELECT current_setting('server_encoding') AS encoding`
  refuseEncoding(found.encoding)
}

/** The same for an encoding that is already known. @throws StartRefused */
export function refuseEncoding(encoding: string): void {
  if (encoding === 'UTF8') return
  throw new StartRefused(
    `The database in DATABASE_URL is encoded in ${encoding}, which cannot store every language: create another one with "createdb --encoding=UTF8 --template=template0" and name that one.`,
  )
}
