/**
 * `npm run stream-readers`: reads Parley's streams and exports with public Python libraries, as their users
 * do (docs/testing.md). Installs them from PyPI into a cache outside the repository; needs Python 3.11 with
 * venv. Builds the server and starts it in front of an upstream that pauses for longer than the keep-alive
 * interval of a stream, and kills the server once during an answer. Prints `ok` or `FAILED` for each reader
 * and exits 1 if one failed. The test suite does the same with parsers in JavaScript
 * (tests/generations/stream-readers.test.ts).
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../src/lib/package-root.ts'
import { type BuiltServer, startBuiltServer } from './support/built-server.ts'
import { madeOnce } from './support/made-once.ts'
import { run } from './support/processes.ts'
import { makeVenv } from './support/python.ts'
import { LINE_ENDS, NEVER_END, startUpstream } from './stream-readers/upstream.ts'

const EVENT_READERS = ['httpx-sse', 'openai', 'sseclient-py', 'requests-sse']
const LINE_READERS = ['httpx.iter_lines', 'requests.iter_lines', 'str.splitlines']
const INSTALL_LIMIT_MS = 5 * 60_000
const READ_LIMIT_MS = 90_000
const ADMIN = { email: 'root@example.com', password: 'the root of the readers' }

const sources = join(packageRoot, 'scripts/stream-readers')
const directory = await mkdtemp(join(tmpdir(), 'parley-stream-readers-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const python = join(await install(), 'bin/python')
const build = { program: 'npm', parameters: ['run', '--silent', 'build'] }
await run({ ...build, limitMs: INSTALL_LIMIT_MS }, packageRoot)
const upstream = await startUpstream()
const settings = {
  CHAT_UPSTREAM_URL: upstream.url,
  ADMIN_EMAIL: ADMIN.email,
  ADMIN_PASSWORD: ADMIN.password,
  MAX_OPEN_STREAMS: '100',
}
let server = await startBuiltServer(directory, settings)
const { accessToken: token } = (await post('/auth/login', ADMIN).then((res) => res.json())) as {
  accessToken: string
}

const outcomes = [
  await keepsAlive(),
  ...(await Promise.all(EVENT_READERS.map((name) => readEvents(name, 'silent')))),
]
const generationId = await crash()
for (const name of EVENT_READERS) outcomes.push(await readEvents(name, 'crashed', generationId))
outcomes.push(...(await readLines()))
await server.stop()
upstream.close()
for (const { what, error } of outcomes) {
  console.log(error === undefined ? `ok      ${what}` : `FAILED  ${what}\n${error}`)
}
process.exit(outcomes.every(({ error }) => error === undefined) ? 0 : 1)

type Outcome = { what: string; error?: string }

async function install(): Promise<string> {
  const requirements = join(sources, 'requirements.txt')
  const digest = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
  const cache = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'parley-stream-readers')
  const venv = join(cache, digest.slice(0, 16))
  const pip = ['--no-deps', '-r', requirements]
  await madeOnce(venv, async () => {
    await makeVenv(venv, { pip, limitMs: INSTALL_LIMIT_MS })
  })
  return venv
}

function post(path: string, body: object): Promise<Response> {
  const headers = {
    'Content-Type': 'application/json',
    ...(path !== '/auth/login' && { Authorization: `Bearer ${token}` }),
  }
  const request = { method: 'POST', headers, body: JSON.stringify(body) }
  return fetch(`${server.origin}/api/v1${path}`, request)
}

/** Makes sure that the readers meet a comment in the middle of an answer. */
async function keepsAlive(): Promise<Outcome> {
  const what = 'a comment keeps a stream alive'
  const text = await (await post('/chat/stream', { message: `pause ${LINE_ENDS}` })).text()
  const isThere = /^id: .*\n(?:.*\n)*: keepalive\n(?:.*\n)*event: message\.end$/m.test(text)
  return { what, ...(!isThere && { error: text }) }
}

async function readEvents(name: string, scenario: string, generation = ''): Promise<Outcome> {
  const env = { PARLEY_GENERATION: generation }
  return attempt(`${name}, ${scenario}`, ['events.py', name, scenario], env)
}

async function attempt(what: string, parameters: string[], env = {}): Promise<Outcome> {
  const known = { PARLEY_ORIGIN: server.origin, PARLEY_TOKEN: token, PYTHONDONTWRITEBYTECODE: '1' }
  const command = { program: python, parameters, env: { ...known, ...env } }
  try {
    await run({ ...command, limitMs: READ_LIMIT_MS }, sources)
    return { what }
  } catch (error) {
    return { what, error: (error as Error).message }
  }
}

/** Kills the server during an answer and restarts it. @returns the id of the generation */
async function crash(): Promise<string> {
  const reader = (await post('/chat/stream', { message: NEVER_END })).body!.getReader()
  let text = ''
  while (!text.includes('event: message.delta')) {
    text += new TextDecoder().decode((await reader.read()).value)
  }
  const { child }: BuiltServer = server
  const killed = once(child, 'exit')
  child.kill('SIGKILL')
  await killed
  server = await startBuiltServer(directory, settings)
  return /^id: (.*):1$/m.exec(text)![1]!
}

/** Reads an export whose text contains every kind of line end. */
async function readLines(): Promise<Outcome[]> {
  const headers = { Authorization: `Bearer ${token}` }
  const conversations = `${server.origin}/api/v1/conversations`
  // The oldest conversation: the one of `keepsAlive`, which no Python library has read.
  const { data } = (await (await fetch(conversations, { headers })).json()) as {
    data: { id: string }[]
  }
  const url = `${conversations}/${data.at(-1)!.id}/export`
  const text = await (await fetch(url, { headers })).text()
  const count = String(text.split('\n').length - 1)
  const read: Outcome[] = []
  for (const name of LINE_READERS) {
    read.push(await attempt(`${name}, export`, ['lines.py', name, url, count]))
  }
  return read
}
