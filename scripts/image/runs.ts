import { randomUUID } from 'node:crypto'
import { chown, mkdir, mkdtemp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../tests/support/wire/free-port.ts'
import { createDatabase, dropDatabase } from '../../tests/support/database/server-database.ts'
import { type Container, type Image, startContainer } from './container.ts'

const USER = 1000
/** A server without calls has nothing to wait for. Docker's own limit is 10 s. */
const LONGEST_STOP_MS = 5_000
const PASSWORD = /password {2}(\S+)/
const LISTENS = /Parley listens on/

type Login = { email: string; password: string }

/** Starts, stops and restarts the image with one volume and nothing else to write to. */
export async function checkEmbedded(image: Image, directory: string): Promise<void> {
  const volumes = { '/data': await newFolder(directory) }
  const port = String(await freePort())
  const first = await startContainer(image, { env: { PORT: port }, volumes })
  const [, password] = await first.says(PASSWORD)
  const login = { email: 'admin@parley.local', password: password! }
  await first.says(LISTENS)
  await talk(`http://127.0.0.1:${port}`, login)
  await first.checkHealth()
  await stopsWell(first)
  const second = await startContainer(image, { env: { PORT: port }, volumes })
  await second.says(LISTENS)
  await talk(`http://127.0.0.1:${port}`, login)
  await stopsWell(second)
}

/** Process 1 of a container ignores every signal that it has no handler for, so the handler must be early. */
export async function checkStopWhileStarting(image: Image, directory: string): Promise<void> {
  const volumes = { '/data': await newFolder(directory) }
  const env = { PORT: String(await freePort()) }
  const container = await startContainer(image, { env, volumes })
  await container.says(PASSWORD)
  const { code, afterMs } = await container.stop()
  if (![0, 1].includes(code ?? -1) || afterMs > LONGEST_STOP_MS)
    throw new Error(`The container exited with ${String(code)} after ${String(afterMs)} ms`)
}

/**
 * Runs the image on PostgreSQL with given secrets, which the image itself makes. It writes no files then.
 * @param server the URL of a PostgreSQL on which databases may be created
 */
export async function checkPostgres(image: Image, directory: string, server: string) {
  const keys = await newFolder(directory)
  const make = ['node', 'dist/src/commands/secrets.js', '/keys/signing-keys.json']
  const maker = await startContainer(image, { env: {}, volumes: { '/keys': keys } }, make)
  if ((await maker.exited) !== 0) throw new Error(maker.stderr())
  const secrets = Object.fromEntries(
    maker
      .stdout()
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/).slice(0, 2)),
  ) as Record<string, string>
  const name = `parley_image_${randomUUID()}`
  const DATABASE_URL = await createDatabase(server, name)
  const login = { email: 'root@example.com', password: 'the root of the image' }
  const admin = { ADMIN_EMAIL: login.email, ADMIN_PASSWORD: login.password }
  const port = String(await freePort())
  const env = { PORT: port, DATABASE_URL, ...secrets, ...admin }
  const container = await startContainer(image, { env, volumes: { '/keys': keys } })
  await container.says(LISTENS)
  await talk(`http://127.0.0.1:${port}`, login)
  await stopsWell(container)
  await dropDatabase(server, name)
}

/** Logs in, reads an answer to its end, and reads the docs. @throws if any of these fails */
async function talk(origin: string, login: Login): Promise<void> {
  const { accessToken } = JSON.parse(await textOf(`${origin}/api/v1/auth/login`, login)) as {
    accessToken: string
  }
  const authorization = `Bearer ${accessToken}`
  const stream = `${origin}/api/v1/chat/stream`
  const answer = await textOf(stream, { message: 'Hello!' }, { authorization })
  if (!answer.includes('event: message.end')) throw new Error(answer)
  if (!(await textOf(`${origin}/docs`)).includes('<html'))
    throw new Error('GET /docs returned no HTML page.')
  const contract = await readFile(join(import.meta.dirname, '../../openapi/api.yaml'), 'utf8')
  if ((await textOf(`${origin}/openapi.yaml`)) !== contract)
    throw new Error('GET /openapi.yaml differs from openapi/api.yaml.')
}

/** @param body makes the request a POST; without it, it is a GET */
async function textOf(url: string, body?: object, headers = {}): Promise<string> {
  const post = { method: 'POST', body: JSON.stringify(body) }
  const all = { 'content-type': 'application/json', ...headers }
  const answer = await fetch(url, body ? { ...post, headers: all } : {})
  const text = await answer.text()
  if (answer.status !== 200)
    throw new Error(`${url} responded with ${String(answer.status)} ${text}`)
  return text
}

async function stopsWell(container: Container): Promise<void> {
  const { code, afterMs } = await container.stop()
  if (code === 0 && afterMs < LONGEST_STOP_MS) return
  throw new Error(
    `The container exited with ${String(code)} after ${String(afterMs)} ms\n${container.stderr()}`,
  )
}

/** Creates a folder that belongs to the user `node`. */
async function newFolder(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true })
  const folder = await mkdtemp(join(directory, 'volume-'))
  await chown(folder, USER, USER)
  return folder
}
