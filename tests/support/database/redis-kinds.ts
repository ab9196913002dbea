import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspectRedis } from './limit-stores.ts'
import { freePort } from '../wire/free-port.ts'
import { type RedisServer, startRedis } from './redis-server.ts'
import { until } from '../clock/until.ts'

/** A Redis of some kind, and the URL that an operator would write. */
export type RedisKind = { url: string; close(): Promise<void> }

const SLOTS = 16_384
const TLS = join(import.meta.dirname, '../process/tls')

/** One command to a Redis. */
export async function command(redis: Pick<RedisServer, 'url'>, ...words: string[]) {
  const client = await inspectRedis(redis.url)
  const answer = await client.sendCommand(words)
  client.destroy()
  return answer
}

/** One whose answer is text. */
export async function commandText(
  redis: Pick<RedisServer, 'url'>,
  ...words: string[]
): Promise<string> {
  return (await command(redis, ...words)) as unknown as string
}

/** One with these options; the URL is what `urlOf` makes of its own. */
export async function redisWith(
  options: string[],
  urlOf: (redis: RedisServer) => string = ({ url }) => url,
): Promise<RedisKind> {
  const redis = await startRedis(...options)
  return { url: urlOf(redis), close: () => redis.kill() }
}

/** One with a user `parley`, whose password is `secret`. */
export function redisWithUser(...rules: string[]): Promise<RedisKind> {
  return redisWith(['--user', 'parley', 'on', '>secret', ...rules], ({ port }) => {
    return `redis://parley:secret@127.0.0.1:${port}`
  })
}

/** The rules that an operator reads in docs/operations/redis.md. */
export function documentedRules(): string[] {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/operations/redis.md'), 'utf8')
  const [, rules = ''] = /^user parley on >PASSWORD (.*)$/m.exec(text) ?? []
  return rules.split(' ')
}

/** A cluster of one node that has all slots. */
export async function clusterOfOne(): Promise<RedisKind> {
  const redis = await startRedis('--cluster-enabled', 'yes')
  await command(redis, 'CLUSTER', 'ADDSLOTSRANGE', '0', String(SLOTS - 1))
  return { url: redis.url, close: () => redis.kill() }
}

/** A cluster of three nodes, as `redis-cli` makes it. */
export async function clusterOfThree(): Promise<RedisKind> {
  const nodes = await Promise.all(
    [1, 2, 3].map(async () => {
      const bus = ['--cluster-port', String(await freePort())]
      return startRedis('--cluster-enabled', 'yes', ...bus)
    }),
  )
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  const made = spawnSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'])
  if (made.status !== 0) throw new Error(made.stdout.toString())
  const close = async () => {
    await Promise.all(nodes.map((node) => node.kill()))
  }
  return { url: nodes[1]!.url, close }
}

/** A primary's replica. */
export async function replica(): Promise<RedisKind> {
  const primary = await startRedis()
  const redis = await startRedis('--replicaof', '127.0.0.1', String(primary.port))
  await until(async () =>
    (await commandText(redis, 'INFO', 'replication')).includes('master_link_status:up'),
  )
  const close = async () => {
    await redis.kill()
    await primary.kill()
  }
  return { url: redis.url, close }
}

/** One that speaks TLS beside its own port. */
export async function redisWithTls(...options: string[]): Promise<RedisKind> {
  const port = String(await freePort())
  const [cert, key] = ['cert', 'key'].map((part) => join(TLS, `first-test-only.${part}.pem`))
  const pair = ['--tls-cert-file', cert!, '--tls-key-file', key!, '--tls-auth-clients', 'no']
  const redis = await startRedis('--tls-port', port, ...pair, ...options)
  return { url: `rediss://localhost:${port}`, close: () => redis.kill() }
}

/** One that is reached by a socket. */
export async function redisWithSocket(query = ''): Promise<RedisKind> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-socket-'))
  const path = join(directory, 'redis.sock')
  const redis = await startRedis('--unixsocket', path)
  const close = async () => {
    await redis.kill()
    await rm(directory, { recursive: true })
  }
  return { url: `unix://${path}${query}`, close }
}

/** One that watches a primary. */
export async function sentinel(): Promise<RedisKind> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-sentinel-'))
  const file = join(directory, 'sentinel.conf')
  const port = await freePort()
  const lines = [`port ${port}`, 'bind 127.0.0.1', 'sentinel monitor parley 127.0.0.1 1 1']
  await writeFile(file, lines.join('\n'))
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await until(() => output.includes('Sentinel ID is'))
  const close = async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
    await rm(directory, { recursive: true })
  }
  return { url: `redis://127.0.0.1:${port}`, close }
}
