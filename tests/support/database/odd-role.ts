import { randomUUID } from 'node:crypto'
import { administer, createDatabase, dropDatabase } from './server-database.ts'

/** An empty database, and the role that owns it. */
export type OddRole = {
  name: string
  /** The URL of the database, as that role. */
  url: string
  drop(): Promise<void>
}

/**
 * Creates a role whose sessions have unusual settings.
 * @param settings the settings for ALTER ROLE … SET, by name
 */
export async function createOddRole(
  serverUrl: string,
  settings: Record<string, string>,
): Promise<OddRole> {
  const name = `parley_odd_${randomUUID()}`
  const role = `"${name}"`
  const asAdministrator = await createDatabase(serverUrl, name)
  await administer(serverUrl, `CREATE ROLE ${role} LOGIN`)
  await administer(serverUrl, `ALTER DATABASE ${role} OWNER TO ${role}`)
  await administer(asAdministrator, `GRANT ALL ON SCHEMA public TO ${role}`)
  for (const [setting, value] of Object.entries(settings)) {
    await administer(serverUrl, `ALTER ROLE ${role} SET ${setting} = ${value}`)
  }
  const url = new URL(asAdministrator)
  url.username = name
  return {
    name,
    url: url.href,
    async drop() {
      await dropDatabase(serverUrl, name)
      await administer(serverUrl, `DROP ROLE ${role}`)
    },
  }
}

/** Each of these breaks a program that relies on the defaults of the server. */
export const ODD_SETTINGS = {
  datestyle: `'SQL, DMY'`,
  intervalstyle: 'iso_8601',
  timezone: `'Asia/Kolkata'`,
  client_encoding: 'latin1',
  standard_conforming_strings: 'off',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  array_nulls: 'off',
  statement_timeout: `'300ms'`,
  lock_timeout: `'1ms'`,
  idle_in_transaction_session_timeout: `'1ms'`,
  search_path: 'in_front, public',
}
