import { readdir } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createClient } from '../support/client.ts'
import { openWorkplace, type LaunchedProcess, type Workplace } from '../support/process/process.ts'
import { until } from '../support/clock/until.ts'

let workplace: Workplace
beforeEach(async () => {
  workplace = await openWorkplace()
})
afterEach(() => workplace.close())

/** Nobody is named: an administrator is made. */
const NOBODY = { ADMIN_EMAIL: '', ADMIN_PASSWORD: '' }
/** A machine with much to do starts slowly. */
const STARTED_MS = 120_000
const PASSWORD = /password {2}(\S+)/

/** Whether something is there in the database that is being made. */
const inTheMaking = async (directory: string, path: string): Promise<boolean> => {
  const names = await readdir(directory)
  return names.some(
    (name) => name.startsWith('database.new-') && existsSync(join(directory, name, path)),
  )
}

type Moment = (directory: string, process: LaunchedProcess) => boolean | Promise<boolean>
/** In the order in which they come. */
const MOMENTS: [string, Moment][] = [
  ['the database is begun', (directory) => inTheMaking(directory, '.')],
  ['its version is there', (directory) => inTheMaking(directory, 'PG_VERSION')],
  ['its files are there', (directory) => inTheMaking(directory, 'global/pg_control')],
  ['it is in its place', (directory) => existsSync(join(directory, 'database'))],
  ['a password is shown', (_directory, { stderr }) => PASSWORD.test(stderr())],
]

test('a first start that is killed at any moment is followed by one that comes up, and whose administrator gets in', async () => {
  let shown: string | undefined
  for (const [, moment] of MOMENTS) {
    const process = workplace.launch(NOBODY)
    await until(() => moment(workplace.directory, process), STARTED_MS)
    process.signal('SIGKILL')
    await process.exited
    shown = PASSWORD.exec(process.stderr())?.[1] ?? shown
  }
  const last = await workplace.start(NOBODY)
  // Killed before it was kept, what was shown is worth nothing, and another is shown.
  const password = PASSWORD.exec(last.stderr())?.[1] ?? shown
  const body = { email: 'admin@parley.local', password: password! }
  await createClient(last.url).expect(200, 'logIn', { body })

  const left = (await readdir(workplace.directory)).filter((name) => name.includes('.new-'))

  expect(left).toEqual([])
}, 600_000)

// The first process of a container is ended by no signal that it does not listen to.
test('a first start that is asked to stop says so, ends by itself, and the next one comes up', async () => {
  const process = workplace.launch(NOBODY)
  await until(() => inTheMaking(workplace.directory, '.'), STARTED_MS)
  process.signal('SIGTERM')
  expect(await process.exited).toEqual({ code: 1, signal: null })
  expect(process.stderr()).toBe('Parley was stopped before it started.\n')

  await workplace.start(NOBODY)
}, 600_000)

test('a first start on a port that is taken says so in a sentence and leaves nothing behind', async () => {
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
