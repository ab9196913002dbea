import { readdir } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createClient } from '../support/client.ts'
import { openWorkplace, type LaunchedProcess, type Workplace } from '../support/process/process.ts'
import { until } from '../support/clock/until.ts'

let workplace: Workplace
beforeEach(async () => {
  workplace = await openWorkplace()
})
afterEach(() => workplace.close())

/** Without the settings, the first start creates an administrator. */
const NO_ADMIN = { ADMIN_EMAIL: '', ADMIN_PASSWORD: '' }
/** A busy machine starts slowly. */
const LONGEST_START_MS = 120_000
const PASSWORD = /password {2}(\S+)/

/** Returns whether the path exists in the database that is being created. */
const existsInNewDatabase = async (directory: string, path: string): Promise<boolean> => {
  const names = await readdir(directory)
  return names.some(
    (name) => name.startsWith('database.new-') && existsSync(join(directory, name, path)),
  )
}

type Condition = (directory: string, process: LaunchedProcess) => boolean | Promise<boolean>
/** The stages of a first start, in order. */
const STAGES: [string, Condition][] = [
  ['the database folder exists', (directory) => existsInNewDatabase(directory, '.')],
  ['its version file exists', (directory) => existsInNewDatabase(directory, 'PG_VERSION')],
  ['its files exist', (directory) => existsInNewDatabase(directory, 'global/pg_control')],
  ['it is in its final place', (directory) => existsSync(join(directory, 'database'))],
  ['a password is shown', (_directory, { stderr }) => PASSWORD.test(stderr())],
]

describe('a first start', () => {
  test('can be killed at any stage: the next start succeeds and its administrator can log in', async () => {
    let shown: string | undefined
    for (const [, isReached] of STAGES) {
      const process = workplace.launch(NO_ADMIN)
      await until(() => isReached(workplace.directory, process), LONGEST_START_MS)
      process.signal('SIGKILL')
      await process.exited
      shown = PASSWORD.exec(process.stderr())?.[1] ?? shown
    }

    const last = await workplace.start(NO_ADMIN)
    // A password that was shown but not yet stored is replaced by another that is shown.
    const password = PASSWORD.exec(last.stderr())?.[1] ?? shown
    const body = { email: 'admin@parley.local', password: password! }
    await createClient(last.url).expect(200, 'logIn', { body })

    const left = (await readdir(workplace.directory)).filter((name) => name.includes('.new-'))
    expect(left).toEqual([])
  }, 600_000)

  // Process 1 of a container receives only the signals that it handles.
  test('exits with a message on SIGTERM, and the next start succeeds', async () => {
    const process = workplace.launch(NO_ADMIN)
    await until(() => existsInNewDatabase(workplace.directory, '.'), LONGEST_START_MS)

    process.signal('SIGTERM')

    expect(await process.exited).toEqual({ code: 1, signal: null })
    expect(process.stderr()).toBe('Parley was stopped before it started.\n')

    await workplace.start(NO_ADMIN)
  }, 600_000)

  test('exits with a message and creates nothing when its port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const env = { PORT: String(port), HOST: '127.0.0.1' }

    const { code, stderr } = await workplace.startInVain(env)

    expect([code, stderr]).toEqual([
      1,
      `Parley did not start.\nPort ${port} is taken by another program: stop that program, or set PORT to a free port.\n`,
    ])
    expect(await readdir(workplace.directory)).toEqual([])

    other.close()
  }, 120_000)
})
