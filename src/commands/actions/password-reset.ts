import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { dictionary } from '@zxcvbn-ts/language-common'
import type { Config } from '../../config/config.ts'
import { agreeOnTime, openOperatorRequests } from '../../assembly/open-dependencies.ts'
import { createAudit } from '../../domain/records/audit.ts'
import { createCursors } from '../../domain/lists/cursors.ts'
import { normaliseEmail } from '../../domain/identity/emails.ts'
import { createNewPasswords } from '../../domain/identity/new-passwords.ts'
import { createPasswordPolicy } from '../../domain/identity/password-policy.ts'
import {
  createPasswordResets,
  type PasswordReset,
  type ResetOutcome,
} from '../../domain/identity/password-resets.ts'
import { Problem } from '../../domain/problem.ts'
import { createAgreedClock } from '../../ports/clock/agreed-clock.ts'
import { systemClock } from '../../ports/clock/clock.ts'
import { createIds } from '../../ports/ids.ts'
import { createPasswords } from '../../ports/passwords/passwords.ts'
import { deriveKey, loadServerSecret } from '../../ports/keys/server-secret.ts'
import { StartRefused } from '../../ports/start-refused.ts'
import { hasEmbeddedDatabase, LOCK_FILE } from '../../store/database/embedded-folder.ts'
import { openMigratedStore } from '../../store/store.ts'
import { readNewPassword } from './new-password.ts'

type Where = Pick<Config, 'identity' | 'store'>

/**
 * Sets a new password as the arguments say. Where only the running server can write, it asks the server.
 * @returns a report, and the password if one was made
 * @throws StartRefused if nothing was changed, with what to do
 */
export async function resetPassword(
  args: readonly string[],
  config: Where,
): Promise<{ report: string; password?: string }> {
  const { email, enable, generate } = readArguments(args)
  const secret = await findSecret(config)
  const { text, isMade } = await readNewPassword({ generate })
  const passwordHash = await hashOf(text, secret, config)
  const outcome = await apply({ email, passwordHash, enable }, secret, config)
  return { report: describe(email, outcome), ...(isMade && { password: text }) }
}

function readArguments(args: readonly string[]) {
  const usage = 'Usage: npm run reset-password -- EMAIL [--generate] [--enable]'
  try {
    const options = { generate: { type: 'boolean' }, enable: { type: 'boolean' } } as const
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
    })
    const email = normaliseEmail(positionals[0] ?? '')
    if (email === undefined || positionals.length > 1) throw new StartRefused(usage)
    return { email, generate: values.generate ?? false, enable: values.enable ?? false }
  } catch (cause) {
    throw new StartRefused(usage, { cause })
  }
}

/** The secret is never made here: a password under another secret would be of no use. */
async function findSecret({ identity, store }: Where): Promise<string> {
  const { dataDir, databaseUrl } = store
  if (databaseUrl === undefined && !hasEmbeddedDatabase(dataDir)) {
    throw new StartRefused(
      `There is no database in ${dataDir} (DATA_DIR): name the folder or the DATABASE_URL of the server.`,
    )
  }
  return loadServerSecret({ given: identity.serverSecret, dataDir, hasData: true })
}

async function hashOf(text: string, secret: string, { identity }: Where): Promise<string> {
  const key = deriveKey(secret, 'passwords')
  const passwords = createPasswords({ key, cost: identity.bcryptCost })
  const policy = createPasswordPolicy(dictionary['passwords-common'])
  return createNewPasswords(
    policy,
    passwords,
  )(text).catch((error: unknown) => {
    if (!(error instanceof Problem)) throw error
    throw new StartRefused(`The password is refused. ${error.message}`, { cause: error })
  })
}

async function apply(reset: PasswordReset, secret: string, config: Where): Promise<ResetOutcome> {
  const { dataDir, databaseUrl } = config.store
  if (databaseUrl !== undefined) return applyHere(reset, secret, { databaseUrl })
  // Where there is a lock, a server may be running, perhaps in another container: it is asked first.
  const byServer = existsSync(join(dataDir, LOCK_FILE))
    ? await askServer(reset, secret, dataDir)
    : undefined
  return byServer ?? applyHere(reset, secret, { dataDir })
}

async function askServer(
  reset: PasswordReset,
  secret: string,
  dataDir: string,
): Promise<ResetOutcome | undefined> {
  const asked = await openOperatorRequests(dataDir, secret, systemClock).ask(JSON.stringify(reset))
  if (asked.kind === 'answered') return JSON.parse(asked.answer) as ResetOutcome
  if (asked.kind === 'not-taken') return undefined
  throw new StartRefused(
    'The server took the request and did not say what came of it: see its log, and try again.',
  )
}

async function applyHere(
  reset: PasswordReset,
  secret: string,
  where: { dataDir: string } | { databaseUrl: string },
): Promise<ResetOutcome> {
  const store = await openMigratedStore(where)
  try {
    const clock = createAgreedClock(systemClock)
    await agreeOnTime({ clock, store })
    const cursors = createCursors(deriveKey(secret, 'cursors'))
    const audit = createAudit({ store, clock, ids: createIds(clock), cursors })
    // Running servers look for changes themselves, every two seconds.
    const note = { ended: () => {}, changed: () => {} }
    return await createPasswordResets({ store, clock, audit, note }).reset(reset)
  } finally {
    await store.close()
  }
}

function describe(email: string, outcome: ResetOutcome): string {
  if (outcome.kind === 'unknown-account') {
    const { admins } = outcome
    const names = admins.length === 0 ? 'none; the next start makes one' : admins.join(', ')
    throw new StartRefused(`Nobody has the email ${email}. Administrators: ${names}.`)
  }
  const { role, isDisabled, enabledAdmins } = outcome
  const lines = [
    `${email} (${role}) has a new password, and every session of the account has ended.`,
  ]
  if (isDisabled) {
    lines.push(
      'The account is disabled and stays so: give --enable too, or have an administrator enable it.',
    )
  }
  if (enabledAdmins === 0) lines.push('No administrator may log in: enable one with --enable.')
  return lines.join('\n')
}
