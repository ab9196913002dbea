import { resolve } from 'node:path'
import type { MoveConfig } from '../../config/config.ts'
import { findSecretFile } from '../../ports/keys/secret-file.ts'
import { serverSecretPath } from '../../ports/keys/server-secret.ts'
import { signingKeysPath } from '../../ports/keys/signing-keys.ts'
import { MoveRefused, moveToServer, type MovedTable } from '../../store/copy-to-postgres.ts'

/**
 * Moves all data by `moveToServer`, unless they were made with another secret.
 * @returns a report of what was moved, and how to start servers from then on
 * @throws MoveRefused
 */
export async function moveToPostgres(config: MoveConfig): Promise<string> {
  await refuseOtherSecret(config)
  const moved = await moveToServer(config.dataDir, config.databaseUrl)
  return report(config, moved)
}

/** With another secret no user could log in after the move. */
async function refuseOtherSecret({ dataDir, serverSecret }: MoveConfig): Promise<void> {
  const path = serverSecretPath(dataDir)
  const kept = (await findSecretFile(path))?.trim()
  if (kept === undefined && serverSecret === undefined) {
    throw new MoveRefused(`${path} is missing: give the SERVER_SECRET that the server had.`)
  }
  if (kept === undefined || serverSecret === undefined || kept === serverSecret) return
  throw new MoveRefused(
    `SERVER_SECRET is not the one in ${path}, which every password, refresh token and API key depends on: leave it out.`,
  )
}

function report(config: MoveConfig, moved: MovedTable[]): string {
  const { dataDir, serverSecret, signingKeysFile } = config
  const secret =
    serverSecret === undefined ? `the line in ${serverSecretPath(dataDir)}` : 'as it is'
  const keys = signingKeysPath({ file: signingKeysFile, dataDir })
  return [
    'Everything was moved and compared. Rows by table:',
    ...moved.map(({ table, rows }) => `  ${table}: ${rows}`),
    '',
    'From now on start every server with the same three settings; then passwords, sessions and API',
    'keys go on as they are:',
    '  DATABASE_URL: as it is',
    `  SIGNING_KEYS_FILE: ${resolve(keys)}`,
    `  SERVER_SECRET: ${secret}`,
    `The embedded database in ${dataDir} is as it was. Delete it when you no longer want to go back.`,
    '',
  ].join('\n')
}
