import { resolve } from 'node:path'
import type { MoveConfig } from '../../config/config.ts'
import { findSecretFile } from '../../ports/keys/secret-file.ts'
import { serverSecretPath } from '../../ports/keys/server-secret.ts'
import { signingKeysPath } from '../../ports/keys/signing-keys.ts'
import { CopyRefused } from '../../store/copy-to-postgres/ask.ts'
import { type CopiedTable, copyToPostgres } from '../../store/copy-to-postgres/copy-to-postgres.ts'

/**
 * Moves all data by `copyToPostgres`, unless they were made with another secret.
 * @returns a report of what was moved, and how to start servers from then on
 * @throws CopyRefused
 */
export async function moveToPostgres(config: MoveConfig): Promise<string> {
  await refuseOtherSecret(config)
  const moved = await copyToPostgres(config.dataDir, config.databaseUrl)
  return report(config, moved)
}

/** With another secret no user could log in after the move. */
async function refuseOtherSecret({ dataDir, serverSecret }: MoveConfig): Promise<void> {
  const path = serverSecretPath(dataDir)
  const kept = (await findSecretFile(path))?.trim()
  if (kept === undefined && serverSecret === undefined) {
    throw new CopyRefused(
      `${path} is missing: set SERVER_SECRET to the secret that the server used.`,
    )
  }
  if (kept === undefined || serverSecret === undefined || kept === serverSecret) return
  throw new CopyRefused(
    `SERVER_SECRET differs from the secret in ${path}, which every password, refresh token and API key depends on. Leave SERVER_SECRET out.`,
  )
}

function report(config: MoveConfig, moved: CopiedTable[]): string {
  const { dataDir, serverSecret, signingKeysFile } = config
  const secret =
    serverSecret === undefined ? `the line in ${serverSecretPath(dataDir)}` : 'unchanged'
  const keys = signingKeysPath({ file: signingKeysFile, dataDir })
  return [
    'All data was moved and verified. Rows by table:',
    ...moved.map(({ table, rows }) => `  ${table}: ${rows}`),
    '',
    'From now on, start every server with the same three settings. Passwords, sessions and API keys',
    'then remain valid:',
    '  DATABASE_URL: unchanged',
    `  SIGNING_KEYS_FILE: ${resolve(keys)}`,
    `  SERVER_SECRET: ${secret}`,
    `The embedded database in ${dataDir} is unchanged. Delete it when you no longer need to go back.`,
    '',
  ].join('\n')
}
