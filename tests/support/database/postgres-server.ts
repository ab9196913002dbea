import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../wire/free-port.ts'
import { until } from '../clock/until.ts'

const VERSIONS = '/usr/lib/postgresql'

/** The folder of PostgreSQL's programs on this machine. */
const programs = existsSync(VERSIONS)
  ? readdirSync(VERSIONS)
      .map((version) => join(VERSIONS, version, 'bin'))
      .find((folder) => existsSync(join(folder, 'postgres')))
  : undefined

/** Whether this machine can start a PostgreSQL. */
export const hasPostgres = programs !== undefined

/** A PostgreSQL that one test starts, stops and kills. */
export type PostgresServer = {
  /** The URL as its administrator; the path is the database. */
  url: string
  /** To all its processes. `SIGSTOP` leaves its connections open and unanswered. */
  signal(signal: NodeJS.Signals): Promise<void>
  /** Kills all its processes, as a crash would. */
  kill(): Promise<void>
  /** Restarts it with its data. */
  start(): Promise<void>
  /** Starts a standby, which follows this server until it is promoted. */
  standby(): Promise<PostgresServer>
  /** Kills it and removes its data. */
  close(): Promise<void>
}

/** What a test adds to the default server. */
export type PostgresOptions = {
  /** As `-c` takes them. */
  settings?: readonly string[]
  /** Files to write into the data folder, by name: a certificate, pg_hba.conf. */
  files?: Readonly<Record<string, string>>
}

export function startPostgres(more: PostgresOptions = {}): Promise<PostgresServer> {
  return startFilled('initdb', ['-A', 'trust', '-U', 'postgres', '--no-sync'], more)
}

/** @param program fills the data folder that -D names */
async function startFilled(
  program: string,
  parameters: string[],
  more: PostgresOptions,
): Promise<PostgresServer> {
  const owner = ownerOfServer()
  const directory = await fillDirectory(program, parameters, more, owner)
  const port = await freePort()
  const url = `postgresql://postgres@127.0.0.1:${String(port)}/postgres`
  const run = () => runServer(directory, { port, settings: more.settings ?? [] }, owner)
  let server = await run()
  const kill = () => killServer(server)
  const copy = ['-d', url, '-R', '-X', 'stream', '-c', 'fast', '--no-sync']
  return {
    url,
    signal: (name) => signalServer(server, name),
    kill,
    async start() {
      server = await run()
    },
    standby: () => startFilled('pg_basebackup', copy, {}),
    async close() {
      await kill()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function fillDirectory(
  program: string,
  parameters: string[],
  { files = {} }: PostgresOptions,
  owner: Owner | undefined,
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-postgres-'))
  if (owner) await chown(directory, owner.uid, owner.gid)
  await chmod(directory, 0o700)
  const options = { ...owner, cwd: directory, stdio: 'ignore' } as const
  await once(spawn(join(programs!, program), ['-D', directory, ...parameters], options), 'exit')
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(directory, name), text, { mode: 0o600 })
    if (owner) await chown(join(directory, name), owner.uid, owner.gid)
  }
  return directory
}

/** Signals the children last: one that starts meanwhile would be missed otherwise. */
async function signalServer(server: ChildProcess, name: NodeJS.Signals): Promise<void> {
  const pid = server.pid!
  process.kill(pid, name)
  for (const child of await childrenOf(pid)) signalProcess(child, name)
}

async function killServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const exited = once(server, 'exit')
  const children = await childrenOf(server.pid!)
  await signalServer(server, 'SIGKILL')
  await exited
  for (const child of children) await until(() => hasEnded(child))
}

async function runServer(
  directory: string,
  { port, settings: more }: { port: number; settings: readonly string[] },
  owner: Owner | undefined,
): Promise<ChildProcess> {
  const common = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=60']
  const settings = [...common, ...more]
  const parameters = settings.flatMap((setting) => ['-c', setting])
  const server = spawn(
    join(programs!, 'postgres'),
    ['-D', directory, '-p', String(port), ...parameters],
    { ...owner, cwd: directory, env: { LC_ALL: 'C' }, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let output = ''
  server.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await until(() => /ready to accept (read-only )?connections/.test(output), 30_000)
  return server
}

type Owner = { uid: number; gid: number }

/** PostgreSQL refuses to run as root: it then runs as the user `postgres` of its package. */
export function ownerOfServer(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined
  const idOf = (what: '-u' | '-g') => Number(execFileSync('id', [what, 'postgres']).toString())
  return { uid: idOf('-u'), gid: idOf('-g') }
}

/** Sends a signal; ignores a process that has exited. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const parents = await Promise.all(pids.map(parentOf))
  return pids.filter((_, index) => parents[index] === parent)
}

/** Returns undefined for a process that has exited, a zombie included. */
async function parentOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '')
  // The name before it is in parentheses, and may hold spaces and more of those.
  const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return parent === undefined || state === 'Z' ? undefined : Number(parent)
}

const hasEnded = async (pid: number) => (await parentOf(pid)) === undefined
