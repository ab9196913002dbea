import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newServerSecret } from '../../src/ports/keys/server-secret.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { type Client, createClient } from '../support/client.ts'
import {
  ADMIN,
  openWorkplace,
  type ParleyProcess,
  type Workplace,
} from '../support/process/process.ts'
import { createDatabase, dropDatabase } from '../support/database/server-database.ts'
import { until } from '../support/clock/until.ts'

const COMMAND = join(import.meta.dirname, '../../src/commands/reset-password.ts')
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const serverUrl = process.env['TEST_DATABASE_URL']
const databases = ['embedded', ...(serverUrl === undefined ? [] : ['PostgreSQL'])]
const NEW = 'a horse that nobody guesses'
const { email } = ADMIN

let workplace: Workplace
let env: Record<string, string>
const cleanups: (() => Promise<void>)[] = []
beforeEach(async () => {
  workplace = await openWorkplace()
  env = {}
})
afterEach(async () => {
  await workplace.close()
  for (const cleanUp of cleanups.splice(0)) await cleanUp()
})

async function useDatabase(kind: string): Promise<void> {
  if (kind === 'embedded' || serverUrl === undefined) return
  const name = `parley_reset_${randomUUID()}`
  cleanups.push(() => dropDatabase(serverUrl, name))
  const keysFile = join(workplace.directory, 'keys.json')
  await writeFile(keysFile, await newSigningKeysText(), { mode: 0o600 })
  env = {
    DATABASE_URL: await createDatabase(serverUrl, name),
    SIGNING_KEYS_FILE: keysFile,
    SERVER_SECRET: newServerSecret(),
  }
}

function options() {
  const { directory } = workplace
  const variables = { PATH: process.env['PATH'], DATA_DIR: directory, BCRYPT_COST: '4', ...env }
  return { cwd: directory, env: variables }
}

/** Runs the command with a password on its standard input. */
function runReset(args: string[], password = '') {
  const running = promisify(execFile)(
    process.execPath,
    ['--import', TSX, COMMAND, ...args],
    options(),
  )
  running.child.stdin!.end(password)
  return running
}

const logIn = async ({ url }: ParleyProcess, password: string): Promise<Client> => {
  const { body } = await createClient(url).expect(200, 'logIn', { body: { email, password } })
  return createClient(url, { ...body, email, password })
}

describe.each(databases)('npm run reset-password (%s)', (kind) => {
  test('sets a password beside a running server, ends every session and writes an audit event', async () => {
    await useDatabase(kind)
    const server = await workplace.start(env)
    const before = await server.logIn()

    const { stdout } = await runReset([email], `${NEW}\n`)

    expect(stdout).toBe('')
    // The server sees it at once if it did the reset itself, else at its next look at the database.
    await until(async () => (await before.call('getProfile')).status === 401, 30_000)
    const { refreshToken } = before.identity
    await before.refused('token-invalid', 'refreshTokens', { body: { refreshToken } })
    await createClient(server.url).refused('invalid-credentials', 'logIn', { body: ADMIN })

    const admin = await logIn(server, NEW)
    const event = { query: { event: 'password.reset' } } as const
    const { body } = await admin.expect(200, 'listAuditEvents', event)
    const { id } = (await admin.expect(200, 'getProfile')).body
    expect(body.data).toMatchObject([{ outcome: 'done', target: { kind: 'user', id } }])
    expect(body.data[0]).not.toHaveProperty('actor')

    const generated = (await runReset([email, '--generate'])).stdout.trim()
    await logIn(server, generated)
    expect(server.stdout() + server.stderr()).not.toContain(generated)
  }, 240_000)

  test('works after the server was killed, and refuses a bad password and an unknown account', async () => {
    await useDatabase(kind)
    const server = await workplace.start(env)
    server.signal('SIGKILL')
    await server.exited

    await runReset([email], `${NEW}\n`)

    await expect(runReset([email], 'password123\n')).rejects.toMatchObject({
      code: 1,
      stderr:
        'No password was changed.\nThe password is refused. It is one of the most common passwords.\n',
    })
    await expect(runReset(['nobody@example.com'], `${NEW}\n`)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`Administrators: ${email}.`) as string,
    })

    await logIn(await workplace.start(env), NEW)
  }, 240_000)
})

test('npm run reset-password reports a disabled account, and enables it with --enable', async () => {
  const server = await workplace.start()
  const admin = await server.logIn()
  const user = {
    email: 'ada@example.com',
    password: 'the horse of Ada Lovelace',
    displayName: 'Ada',
  }
  const { id } = (await admin.expect(201, 'createUser', { body: { ...user, role: 'user' } })).body
  await admin.expect(200, 'changeUser', { path: { userId: id }, body: { disabled: true } })

  expect((await runReset([user.email], `${NEW}\n`)).stderr).toContain('still disabled')
  const body = { email: user.email, password: NEW }
  await createClient(server.url).refused('account-disabled', 'logIn', { body })
  expect((await runReset([user.email, '--enable'], `${NEW}\n`)).stderr).not.toContain('disabled')

  await createClient(server.url).expect(200, 'logIn', { body })
}, 240_000)

test('npm run reset-password fails without a database and creates none', async () => {
  await expect(runReset([email], `${NEW}\n`)).rejects.toMatchObject({
    stderr: expect.stringContaining('There is no database in') as string,
  })
}, 60_000)

test.skipIf(process.platform !== 'linux')(
  'npm run reset-password asks for a typed password twice and never shows it',
  async () => {
    await (await workplace.start()).logIn()
    const line = `${process.execPath} --import ${TSX} ${COMMAND} ${email}`
    const terminal = spawn('script', ['-qec', line, '/dev/null'], options())
    let seen = ''
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text))

    await until(() => seen.includes('New password'), 60_000)
    terminal.stdin.write(`${NEW}\r`)
    await until(() => seen.includes('Repeat the password'), 60_000)
    terminal.stdin.write(`${NEW}\r`)
    const [code] = (await once(terminal, 'close')) as [number]

    expect([code, seen]).toEqual([0, expect.stringContaining('has a new password')])
    expect(seen).not.toContain(NEW)
  },
  240_000,
)
