import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { dictionary } from '@zxcvbn-ts/language-common'
import type { Config } from '../../config/config.ts'
import { agreeOnTime, openOperatorRequests } from '../../assembly/open-dependencies.ts'
import { Audit } from '../../domain/records/audit.ts'
import { Cursors } from '../../domain/lists/cursors.ts'
import { normaliseEmail } from '../../domain/identity/emails.ts'
import { createNewPasswords } from '../../domain/identity/new-passwords.ts'
import { createPasswordPolicy } from '../../domain/identity/password-policy.ts'
import {
  PasswordResets,
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
      `There is no database in ${dataDir} (DATA_DIR). Set DATA_DIR or DATABASE_URL as the server has it.`,
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
    'The server accepted the request but did not report the outcome. Check its log, then retry.',
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
    const cursors = new Cursors(deriveKey(secret, 'cursors'))
    const audit = new Audit({ store, clock, ids: createIds(clock), cursors })
    // Servers that run look for what has changed, every two seconds.
    const [onRevoked, onChanged] = [() => {}, () => {}]
    const resets = new PasswordResets({ store, clock, audit, onRevoked, onChanged })
    return await resets.reset(reset)
  } finally {
    await store.close()
  }
}

function describe(email: string, outcome: ResetOutcome): string {
  if (outcome.kind === 'unknown-account') {
    const { admins } = outcome
    const names = admins.length === 0 ? 'none; the next start creates one' : admins.join(', ')
    throw new StartRefused(`No account has the email ${email}. Administrators: ${names}.`)
  }
  const { role, isDisabled, enabledAdmins } = outcome
  const lines = [
    `${email} (${role}) has a new password, and every session of the account has ended.`,
  ]
  if (isDisabled) {
    lines.push('The account is still disabled: add --enable, or ask an administrator to enable it.')
  }
  if (enabledAdmins === 0) lines.push('No administrator can log in: enable one with --enable.')
  return lines.join('\n')
}
