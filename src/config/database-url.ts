import { readPostgresUrl, UnusablePostgresUrl } from '../ports/postgres-url/postgres-url.ts'
import type { Environment } from './environment.ts'

/** The URL of PostgreSQL; undefined where the database is embedded. Mistakes never quote it. */
export function readDatabaseUrl(from: Environment): string | undefined {
  const text = from.find('DATABASE_URL', (url) => url)
  if (text === undefined) return undefined
  // The one variable of libpq that its users expect to apply where the URL says nothing.
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
