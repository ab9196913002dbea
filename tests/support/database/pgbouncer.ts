import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../wire/free-port.ts'
import { ownerOfServer } from './postgres-server.ts'
import { until } from '../clock/until.ts'

// Debian installs it in /usr/sbin.
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin`

/** Whether this machine can start a PgBouncer. */
export const hasPgBouncer = spawnSync('pgbouncer', ['--version'], { env: { PATH } }).status === 0

/** How PgBouncer shares sessions among its clients. */
export type PoolMode = 'session' | 'transaction' | 'statement'

/** A PgBouncer in front of a server, with its own defaults for everything else. */
export type PgBouncer = {
  /** Returns the URL of the same database through PgBouncer, which accepts every client. */
  url(serverUrl: string): string
  close(): Promise<void>
}

/** @param sessions on the server at most, for each user of a database */
export async function startPgBouncer(
  serverUrl: string,
  { mode, sessions }: { mode: PoolMode; sessions: number },
): Promise<PgBouncer> {
  const owner = ownerOfServer()
  const directory = await mkdtemp(join(tmpdir(), 'parley-pgbouncer-'))
  await chmod(directory, 0o755)
  const port = await freePort()
  const { hostname, port: serverPort, username } = new URL(serverUrl)
  const lines = [
    '[databases]',
    `* = host=${hostname} port=${serverPort || '5432'} user=${username}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${String(port)}`,
    'unix_socket_dir =',
    'auth_type = any',
    `pool_mode = ${mode}`,
    `default_pool_size = ${String(sessions)}`,
    '',
  ]
  const settings = join(directory, 'pgbouncer.ini')
  await writeFile(settings, lines.join('\n'))
  const child: ChildProcess = spawn('pgbouncer', [settings], {
    ...owner,
    env: { PATH },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await until(() => said.includes('process up'))
  return {
    url(of) {
      const url = new URL(of)
      url.host = `127.0.0.1:${String(port)}`
      return url.href
    },
    async close() {
      child.kill('SIGKILL')
      await once(child, 'exit')
      await rm(directory, { recursive: true, force: true })
    },
  }
}
