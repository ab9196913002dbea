import { readPostgresUrl, UnusablePostgresUrl } from '../ports/postgres-url/postgres-url.ts'
import type { Environment } from './environment.ts'

/** The URL of PostgreSQL, undefined where the database is embedded. Its mistakes are told, never its value. */
export function readDatabaseUrl(from: Environment): string | undefined {
  const text = from.find('DATABASE_URL', (url) => url)
  if (text === undefined) return undefined
  // The one of libpq's variables that its users expect to matter where the URL says nothing.
  const mode = from.find('PGSSLMODE', (word) => word)
  const isSaid = mode === undefined || /[?&]ssl(mode)?=/.test(text)
  const url = isSaid
    ? text
    : `${text}${text.includes('?') ? '&' : '?'}sslmode=${encodeURIComponent(mode)}`
  try {
    readPostgresUrl(url)
  } catch (error) {
    if (!(error instanceof UnusablePostgresUrl)) throw error
    error.mistakes.forEach((mistake) => from.refuse(`DATABASE_URL ${mistake}`))
  }
  return url
}
