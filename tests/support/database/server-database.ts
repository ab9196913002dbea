import pg from 'pg'

/** Creates a database on the server as a copy of `template`. @returns its URL */
export async function createDatabase(
  serverUrl: string,
  name: string,
  template = 'template0',
): Promise<string> {
  await administer(serverUrl, `CREATE DATABASE "${name}" TEMPLATE "${template}"`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** Drops a database and closes its connections. */
export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await administer(serverUrl, `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`)
}

/** Runs one statement outside the store. */
export async function administer(url: string, sql: string): Promise<void> {
  await queryServer(url, sql)
}

/** Returns the rows of one statement, run outside the store. */
export async function queryServer(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}
