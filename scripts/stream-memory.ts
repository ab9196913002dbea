import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/*
 * What an open stream costs in memory: `npx tsx scripts/stream-memory.ts [streams]`, on Linux. Starts
 * a server of its own before a model that says one word and then nothing, opens that many answers
 * (1,000), each in a conversation of its own, and compares what is resident before and after.
 */
const streams = Number(process.argv[2] ?? 1_000)
const SETTLE_MS = 5_000
const AT_ONCE = 20
const ADMIN = { email: 'admin@example.com', password: 'the admin of the measurement' }
const UNLIMITED = '10000000/60'
const WORD = { model: 'm', choices: [{ index: 0, delta: { content: 'Hello' } }] }

const model = createServer((req, res) => {
  res.setHeader('Content-Type', 'text/event-stream')
  if (req.method === 'POST') res.write(`data: ${JSON.stringify(WORD)}\n\n`)
  else res.end('{"object":"list","data":[{"id":"m","object":"model"}]}')
})
model.listen(0, '127.0.0.1')
await once(model, 'listening')

const directory = await mkdtemp(join(tmpdir(), 'parley-memory-'))
const main = join(import.meta.dirname, '../src/main.ts')
const server = spawn(process.execPath, ['--import', 'tsx', main], {
  env: {
    PATH: process.env['PATH'],
    DATA_DIR: directory,
    PORT: '0',
    HOST: '127.0.0.1',
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    MAX_OPEN_STREAMS: String(streams),
    RATE_LIMIT_USER: UNLIMITED,
    RATE_LIMIT_CHAT: UNLIMITED,
    LOG_LEVEL: 'error',
    CHAT_UPSTREAM_URL: `http://127.0.0.1:${(model.address() as AddressInfo).port}/v1`,
    CHAT_UPSTREAM_MODEL: 'm',
    CHAT_UPSTREAM_TIMEOUT_SECONDS: '600',
  },
  stdio: ['ignore', 'ignore', 'pipe'],
})
const leaving = new AbortController()
try {
  const api = `${await address()}/api/v1`
  const json = { 'Content-Type': 'application/json' }
  const body = JSON.stringify(ADMIN)
  const login = await fetch(`${api}/auth/login`, { method: 'POST', headers: json, body })
  const { accessToken } = (await login.json()) as { accessToken: string }
  const headers = { ...json, Authorization: `Bearer ${accessToken}` }
  const open = async () => {
    const response = await fetch(`${api}/chat/stream`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ message: 'Hello' }),
      signal: leaving.signal,
    })
    if (response.status !== 200) throw new Error(await response.text())
    return response
  }
  const opened: Response[] = []
  // What the first ones cost is code and caches.
  for (let i = 0; i < AT_ONCE; i += 1) opened.push(await open())
  await pause(SETTLE_MS)
  const before = await resident()
  for (let left = streams - AT_ONCE; left > 0; left -= AT_ONCE) {
    opened.push(...(await Promise.all(Array.from({ length: Math.min(left, AT_ONCE) }, open))))
  }
  await pause(SETTLE_MS)
  const after = await resident()
  const each = (after - before) / (opened.length - AT_ONCE)
  console.log(`${opened.length} open streams: ${before} kB, then ${after} kB resident`)
  console.log(`${each.toFixed(1)} kB for each open stream, its answer in the making included`)
} finally {
  leaving.abort()
  server.kill('SIGKILL')
  model.closeAllConnections()
  model.close()
  await rm(directory, { recursive: true, force: true })
}

function address(): Promise<string> {
  let said = ''
  return new Promise((resolve, reject) => {
    server.stderr.on('data', (chunk) => {
      said += String(chunk)
      const found = /Parley listens on +(http:\S+)/.exec(said)?.[1]
      if (found !== undefined) resolve(found)
    })
    server.once('exit', () => {
      reject(new Error(`Parley did not start: ${said}`))
    })
  })
}

/** In kB. */
async function resident(): Promise<number> {
  const status = await readFile(`/proc/${String(server.pid)}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])
}
