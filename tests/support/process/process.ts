import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Client, createClient } from '../client.ts'

const MAIN = join(import.meta.dirname, '../../../src/main.ts')
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const ADDRESS = /Parley listens on +(https?:\S+)/

export const ADMIN = { email: 'admin@example.com', password: 'the admin of the tests' }
const DEFAULTS = {
  PORT: '0',
  HOST: '127.0.0.1',
  BCRYPT_COST: '4',
  ADMIN_EMAIL: ADMIN.email,
  ADMIN_PASSWORD: ADMIN.password,
  RATE_LIMIT_ANONYMOUS: '1000000/3600',
  RATE_LIMIT_USER: '1000000/3600',
  RATE_LIMIT_CHAT: '1000000/60',
}

/** How a process ended; its code is null when a signal ended it. */
export type Exit = { code: number | null; signal: NodeJS.Signals | null }

/** The real program in a process of its own. */
export type ParleyProcess = {
  url: string
  pid: number
  exited: Promise<Exit>
  /** Its output so far. */
  stderr(): string
  stdout(): string
  signal(signal: NodeJS.Signals): void
  /** A new session of the first admin. */
  logIn(): Promise<Client>
}

/** A process that may not listen yet. */
export type LaunchedProcess = Omit<ParleyProcess, 'url' | 'logIn'>

/** A folder for the data of one test, and the end of every process that was started in it. */
export type Workplace = {
  directory: string
  /** Starts the program with these variables and nothing else; waits until it listens. */
  start(env?: Record<string, string>): Promise<ParleyProcess>
  /** As `start`, without waiting. */
  launch(env?: Record<string, string>): LaunchedProcess
  /** Starts a program that is expected to fail, and waits for its exit. */
  startInVain(env: Record<string, string>): Promise<Exit & { stderr: string; stdout: string }>
  close(): Promise<void>
}

/** Processes share the folder, as restarts of one installation do. */
export async function openWorkplace(): Promise<Workplace> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-process-'))
  const children: ReturnType<typeof watch>[] = []
  const run = (env: Record<string, string>) => {
    const child = spawn(process.execPath, ['--import', TSX, MAIN], {
      cwd: directory,
      env: { PATH: process.env['PATH'], DATA_DIR: directory, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const watched = watch(child)
    children.push(watched)
    return watched
  }
  return {
    directory,
    async start(env = {}) {
      const { child, exited, stderr, stdout } = run({ ...DEFAULTS, ...env })
      const url = await addressOf(child, exited, stderr)
      const signal = (name: NodeJS.Signals) => void child.kill(name)
      const pid = child.pid!
      return { url, pid, exited, stderr, stdout, signal, logIn: () => logIn(url) }
    },
    launch(env = {}) {
      const { child, exited, stderr, stdout } = run({ ...DEFAULTS, ...env })
      const signal = (name: NodeJS.Signals) => void child.kill(name)
      return { pid: child.pid!, exited, stderr, stdout, signal }
    },
    async startInVain(env) {
      const { exited, stderr, stdout } = run(env)
      return { ...(await exited), stderr: stderr(), stdout: stdout() }
    },
    async close() {
      for (const { child } of children) child.kill('SIGKILL')
      await rm(directory, { recursive: true, force: true })
      const lines = children.flatMap(({ stdout }) => stdout().split('\n'))
      const violations = lines.filter((line) => line.includes('"contract violated"'))
      if (violations.length > 0) throw new Error(violations.join(''))
    },
  }
}

function watch(child: ChildProcess) {
  const texts = { stderr: '', stdout: '' }
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (texts.stderr += text))
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (texts.stdout += text))
  // `close` is emitted after all output has been read.
  const exited = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  return { child, exited, stderr: () => texts.stderr, stdout: () => texts.stdout }
}

async function addressOf(
  child: ChildProcess,
  exited: Promise<Exit>,
  stderr: () => string,
): Promise<string> {
  for (;;) {
    const address = ADDRESS.exec(stderr())?.[1]
    if (address !== undefined) return address
    const exit = await Promise.race([once(child.stderr!, 'data').then(() => undefined), exited])
    if (exit) throw new Error(`Parley did not start: ${stderr()}`)
  }
}

async function logIn(url: string): Promise<Client> {
  const { body } = await createClient(url).expect(200, 'logIn', { body: ADMIN })
  return createClient(url, { ...body, ...ADMIN })
}
