import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { overlapFor, rotateSigningKeys, type Rotation } from '../../src/ports/keys/key-rotation.ts'
import { newSigningKeysText, parseSigningKeys } from '../../src/ports/keys/signing-keys.ts'
import { type Client, createClient } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'

const ROTATOR = join(import.meta.dirname, 'endless-rotation.ts')
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const TTL_SECONDS = 900
const LEAD_SECONDS = 60
const POLL_MS = 5_000
const IMMEDIATE = { kind: 'at-once' } as const
const withOverlap = (overlapSeconds: number) => ({ kind: 'with-overlap', overlapSeconds }) as const

type Jwk = { kid: string; d?: string }

let folder: string
let file: string
let clock: TestClock
let testStore: TestStore
let servers: TestServer[]
let rotators: ChildProcess[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-rotation-'))
  file = join(folder, 'keys.json')
  await writeFile(file, await newSigningKeysText(), { mode: 0o600 })
  clock = new TestClock('2026-11-23T09:00:00.000Z')
  testStore = await openTestStore()
  servers = []
  rotators = []
})
afterEach(async () => {
  for (const rotator of rotators) rotator.kill('SIGKILL')
  for (const server of servers) await server.close()
  await testStore.close()
  await rm(folder, { recursive: true })
})

/** Starts another server on the same database, key file and clock. */
async function startOnKeysFile(): Promise<TestServer> {
  const server = await startServer({ testStore, clock, env: { SIGNING_KEYS_FILE: file } })
  servers.push(server)
  return server
}

const readKeys = async () => (JSON.parse(await readText()) as { keys: Jwk[] }).keys
const readText = () => readFile(file, 'utf8')
const rotate = (rotation: Rotation) => rotateSigningKeys(file, rotation, clock)

function kidOf({ identity }: Client): string {
  const [header] = identity.accessToken.split('.')
  return (JSON.parse(Buffer.from(header!, 'base64url').toString()) as { kid: string }).kid
}

async function publishedKids({ url }: TestServer): Promise<string[]> {
  const response = await fetch(`${url}/.well-known/jwks.json`)
  const { keys } = (await response.json()) as { keys: Jwk[] }
  for (const key of keys) expect(key).not.toHaveProperty('d')
  return keys.map(({ kid }) => kid)
}

/** Advances to the next poll of the file, and waits until every server publishes these keys. */
async function waitForReload(kids: string[]): Promise<void> {
  await clock.advance(POLL_MS)
  for (const server of servers) {
    await until(async () => (await publishedKids(server)).join() === kids.join())
  }
}

async function onEveryServer(client: Client, expectOutcome: (there: Client) => Promise<unknown>) {
  for (const { url } of servers) await expectOutcome(createClient(url, client.identity))
}
const expectAccepted = (client: Client) =>
  onEveryServer(client, (there) => there.expect(200, 'getProfile'))
const expectRefused = (client: Client, code: 'token-invalid' | 'token-expired' = 'token-invalid') =>
  onEveryServer(client, (there) => there.refused(code, 'getProfile'))

async function refresh(client: Client): Promise<Client> {
  const { refreshToken } = client.identity
  const { body } = await client.expect(200, 'refreshTokens', { body: { refreshToken } })
  return client.with(body)
}

describe('a rotation with overlap', () => {
  test('refuses no token on two running servers until the old key expires', async () => {
    const [first, second] = [await startOnKeysFile(), await startOnKeysFile()]
    const [oldKey] = await readKeys()
    const alice = await first.createUser()
    await expectAccepted(alice)

    await rotate(withOverlap(120))
    const [newKey] = await readKeys()
    await waitForReload([newKey!.kid, oldKey!.kid])

    const clients = [alice]
    for (let elapsed = POLL_MS; elapsed < LEAD_SECONDS * 1000; elapsed += POLL_MS) {
      for (const server of [first, second]) clients.push(await server.admin())
      for (const client of clients.slice(-2)) await expectAccepted(client)
      await clock.advance(POLL_MS)
    }
    expect(new Set(clients.map(kidOf))).toEqual(new Set([oldKey!.kid]))

    const refreshed = [await first.admin(), await second.admin(), await refresh(alice)]
    expect(new Set(refreshed.map(kidOf))).toEqual(new Set([newKey!.kid]))
    for (const client of [...clients, ...refreshed]) await expectAccepted(client)

    await clock.advance(119_999)
    for (const client of [...clients, ...refreshed]) await expectAccepted(client)

    await clock.advance(1)
    for (const client of clients) await expectRefused(client)
    for (const client of refreshed) await expectAccepted(client)
    for (const server of servers) expect(await publishedKids(server)).toEqual([newKey!.kid])
  }, 60_000)

  test('lets every token live until it expires, by default', async () => {
    const server = await startOnKeysFile()
    const [oldKey] = await readKeys()
    await rotate(withOverlap(overlapFor(TTL_SECONDS)))
    await waitForReload([(await readKeys())[0]!.kid, oldKey!.kid])

    await clock.advance(LEAD_SECONDS * 1000 - POLL_MS - 1)
    const last = await server.createUser()
    expect(kidOf(last)).toBe(oldKey!.kid)

    await clock.advance(TTL_SECONDS * 1000)
    await expectAccepted(last)

    await clock.advance(5_000)
    await expectRefused(last, 'token-expired')

    // Even after its key is removed, an expired token is `token-expired`: refresh, do not log in.
    await clock.advance(3_600_000)
    expect(await publishedKids(server)).not.toContain(oldKey!.kid)
    await expectRefused(last, 'token-expired')
    await expectAccepted(await refresh(last))
  })

  test('hands over from key to key when it is repeated within a minute', async () => {
    const server = await startOnKeysFile()
    const [first] = await readKeys()
    await rotate(withOverlap(3600))
    await clock.advance(30_000)
    await rotate(withOverlap(3600))
    const [third, second] = await readKeys()
    await waitForReload([third!.kid, second!.kid, first!.kid])

    const clients = [await server.createUser()]
    await clock.advance(25_000)
    clients.push(await server.createUser())
    await clock.advance(30_000)
    clients.push(await server.createUser())

    expect(clients.map(kidOf)).toEqual([first!.kid, second!.kid, third!.kid])
    for (const client of clients) await expectAccepted(client)
  })
})

describe('an immediate rotation', () => {
  test('invalidates every access token, used before or not, and no session', async () => {
    const [server] = [await startOnKeysFile(), await startOnKeysFile()]
    const [used, unused] = [await server.createUser(), await server.createUser()]
    await expectAccepted(used)

    await rotate(IMMEDIATE)
    const [newKey] = await readKeys()
    await waitForReload([newKey!.kid])

    await expectRefused(used)
    await expectRefused(unused)
    for (const client of [used, unused]) {
      const refreshed = await refresh(client)
      expect(kidOf(refreshed)).toBe(newKey!.kid)
      await expectAccepted(refreshed)
    }
  })

  test('takes effect before the next poll when a token of the new key arrives', async () => {
    const server = await startOnKeysFile()
    const alice = await server.createUser()
    await expectAccepted(alice)

    await rotate(IMMEDIATE)
    const late = await startOnKeysFile()

    await expectAccepted(await late.createUser())
    await expectRefused(alice)
  })

  test('lets tokens with unknown keys reload the file at most once a second', async () => {
    const server = await startOnKeysFile()
    await rotate(IMMEDIATE)
    const others = await startOnKeysFile()
    const fromOthers = (client: Client) => createClient(server.url, client.identity)
    const [first, second] = [await others.createUser(), await others.createUser()]
    await fromOthers(first).expect(200, 'getProfile')

    await rotate(IMMEDIATE)
    const newest = await startOnKeysFile()
    const newestClient = fromOthers(await newest.createUser())

    await newestClient.refused('token-invalid', 'getProfile')
    await fromOthers(second).expect(200, 'getProfile')

    await clock.advance(1_000)
    await newestClient.expect(200, 'getProfile')
    await fromOthers(second).refused('token-invalid', 'getProfile')
  })
})

describe('a key file that becomes unusable', () => {
  test.each<[string, () => Promise<unknown>]>([
    [
      'cut off in the middle of a key',
      async () => writeFile(file, (await readText()).slice(0, -30)),
    ],
    ['missing', () => rm(file)],
    ['open to others', () => chmod(file, 0o644)],
    ['without any key', () => writeFile(file, '{"keys": []}')],
  ])(
    '(%s) leaves the keys in force, is logged once, and is read again once repaired',
    async (_state, damage) => {
      const server = await startOnKeysFile()
      const alice = await server.createUser()
      const [oldKey] = await readKeys()
      const goodText = await readText()

      await damage()
      await clock.advance(POLL_MS)
      const loggedErrors = () => server.logLines().filter(({ level }) => level === 'error')
      await until(() => loggedErrors().length > 0)
      await clock.advance(POLL_MS)

      await expectAccepted(alice)
      await expectAccepted(await server.createUser())
      expect(loggedErrors()).toHaveLength(1)

      await writeFile(`${file}.new`, goodText, { mode: 0o600 })
      await rename(`${file}.new`, file)
      await rotate(withOverlap(3600))
      const [newKey] = await readKeys()
      await waitForReload([newKey!.kid, oldKey!.kid])

      await expectAccepted(alice)
      const log = JSON.stringify(server.logLines())
      for (const { d } of await readKeys()) expect(log).not.toContain(d!.slice(0, 12))
    },
  )
})

describe('a rotation that is killed', () => {
  test('leaves the old file or the new one, and loses no acknowledged key', async () => {
    const acknowledged: string[] = []
    for (let round = 1; round <= 6; round += 1) {
      const rotator = spawn(process.execPath, ['--import', TSX, ROTATOR, file])
      rotators.push(rotator)
      const exited = once(rotator, 'exit')
      const output = createInterface(rotator.stdout)[Symbol.asyncIterator]()
      for (let count = 0; count < round * 2; count += 1) {
        acknowledged.push((await output.next()).value as string)
        // A read between two rotations must find a complete file.
        expect((await readKeys()).map(({ kid }) => kid)).toContain(acknowledged.at(-1))
      }

      rotator.kill('SIGKILL')
      expect(await exited).toEqual([null, 'SIGKILL'])
      const keys = await parseSigningKeys(await readText(), 'keys.json')
      const storedKids = keys.publicJwks().keys.map(({ kid }) => kid)
      expect(storedKids).toEqual(expect.arrayContaining(acknowledged))
    }

    // The next rotation removes the lock and the temporary files that were left.
    const rotation = rotate(withOverlap(3600))
    await until(async () => {
      await clock.advance(100)
      return (await readdir(folder)).join() === 'keys.json'
    })
    await rotation
  }, 60_000)
})
