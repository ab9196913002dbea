import type { Database } from './database.ts'
import { StartRefused } from '../../ports/start-refused.ts'

/**
 * In any other encoding a message of another language fails as it is written, or, in SQL_ASCII, is
 * bytes of which nobody knows what they mean.
 * @throws StartRefused for a database that is not in UTF-8
 */
export async function requireUtf8({ query }: Database): Promise<void> {
  const [found] = await query<[{ encoding: string }]>`
    SELECT current_setting('server_encoding') AS encoding`
  refuseEncoding(found.encoding)
}

/** The same for an encoding that was asked for already. @throws StartRefused */
export function refuseEncoding(encoding: string): void {
  if (encoding === 'UTF8') return
  throw new StartRefused(
    `The database in DATABASE_URL is encoded in ${encoding}, which cannot store every language: create another one with "createdb --encoding=UTF8 --template=template0" and name that one.`,
  )
}
