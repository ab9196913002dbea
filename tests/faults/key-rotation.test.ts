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
const AT_ONCE = { kind: 'at-once' } as const
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

/** One more server on the same database, the same file and the same clock. */
async function start(): Promise<TestServer> {
  const server = await startServer({ testStore, clock, env: { SIGNING_KEYS_FILE: file } })
  servers.push(server)
  return server
}

const read = async () => (JSON.parse(await readFile(file, 'utf8')) as { keys: Jwk[] }).keys
const rotate = (rotation: Rotation) => rotateSigningKeys(file, rotation, clock)

function kidOf({ identity }: Client): string {
  const [header] = identity.accessToken.split('.')
  return (JSON.parse(Buffer.from(header!, 'base64url').toString()) as { kid: string }).kid
}

async function published({ url }: TestServer): Promise<string[]> {
  const answer = await fetch(`${url}/.well-known/jwks.json`)
  const { keys } = (await answer.json()) as { keys: Jwk[] }
  for (const key of keys) expect(key).not.toHaveProperty('d')
  return keys.map(({ kid }) => kid)
}

/** Every server has had its turn to look, and has read what there was. */
async function letThemLook(kids: string[]): Promise<void> {
  await clock.advance(POLL_MS)
  for (const server of servers) {
    await until(async () => (await published(server)).join() === kids.join())
  }
}

async function everywhere(client: Client, check: (there: Client) => Promise<unknown>) {
  for (const { url } of servers) await check(createClient(url, client.identity))
}
const isGood = (client: Client) => everywhere(client, (there) => there.expect(200, 'getProfile'))
const isRefused = (client: Client, code: 'token-invalid' | 'token-expired' = 'token-invalid') =>
  everywhere(client, (there) => there.refused(code, 'getProfile'))

async function refresh(client: Client): Promise<Client> {
  const { refreshToken } = client.identity
  const { body } = await client.expect(200, 'refreshTokens', { body: { refreshToken } })
  return client.with(body)
}

describe('a rotation with overlap, on two running servers', () => {
  test('refuses nothing while it lasts, and the former key when its time is over', async () => {
    const [first, second] = [await start(), await start()]
    const [former] = await read()
    const alice = await first.createUser()
    await isGood(alice)
    await rotate(withOverlap(120))
    const [next] = await read()
    await letThemLook([next!.kid, former!.kid])

    const clients = [alice]
    for (let passed = POLL_MS; passed < LEAD_SECONDS * 1000; passed += POLL_MS) {
      for (const server of [first, second]) clients.push(await server.admin())
      for (const client of clients.slice(-2)) await isGood(client)
      await clock.advance(POLL_MS)
    }
    expect(new Set(clients.map(kidOf))).toEqual(new Set([former!.kid]))

    const fresh = [await first.admin(), await second.admin(), await refresh(alice)]
    expect(new Set(fresh.map(kidOf))).toEqual(new Set([next!.kid]))
    for (const client of [...clients, ...fresh]) await isGood(client)
    await clock.advance(119_999)
    for (const client of [...clients, ...fresh]) await isGood(client)

    await clock.advance(1)
    for (const client of clients) await isRefused(client)
    for (const client of fresh) await isGood(client)
    for (const server of servers) expect(await published(server)).toEqual([next!.kid])
  }, 60_000)

  test('lets every token live to its own end, if nothing else was asked for', async () => {
    const server = await start()
    const [former] = await read()
    await rotate(withOverlap(overlapFor(TTL_SECONDS)))
    await letThemLook([(await read())[0]!.kid, former!.kid])
    await clock.advance(LEAD_SECONDS * 1000 - POLL_MS - 1)
    const last = await server.createUser()
    expect(kidOf(last)).toBe(former!.kid)

    await clock.advance(TTL_SECONDS * 1000)
    await isGood(last)
    await clock.advance(5_000)
    await isRefused(last, 'token-expired')
    // Whoever comes back when the key is gone is still told to refresh, not to log in.
    await clock.advance(3_600_000)
    expect(await published(server)).not.toContain(former!.kid)

    await isRefused(last, 'token-expired')
    await isGood(await refresh(last))
  })

  test('twice within the minute hands over from key to key', async () => {
    const server = await start()
    const [first] = await read()
    await rotate(withOverlap(3600))
    await clock.advance(30_000)
    await rotate(withOverlap(3600))
    const [third, second] = await read()
    await letThemLook([third!.kid, second!.kid, first!.kid])
    const clients = [await server.createUser()]
    await clock.advance(25_000)
    clients.push(await server.createUser())
    await clock.advance(30_000)
    clients.push(await server.createUser())
    expect(clients.map(kidOf)).toEqual([first!.kid, second!.kid, third!.kid])

    for (const client of clients) await isGood(client)
  })
})

describe('a rotation at once', () => {
  test('ends every access token, seen before or not, and no session', async () => {
    const [server] = [await start(), await start()]
    const [seen, unseen] = [await server.createUser(), await server.createUser()]
    await isGood(seen)
    await rotate(AT_ONCE)
    const [next] = await read()
    await letThemLook([next!.kid])
    await isRefused(seen)
    await isRefused(unseen)
    for (const client of [seen, unseen]) {
      const fresh = await refresh(client)
      expect(kidOf(fresh)).toBe(next!.kid)
      await isGood(fresh)
    }
  })

  test('is learnt from the first token of the new key, before the next look', async () => {
    const server = await start()
    const alice = await server.createUser()
    await isGood(alice)
    await rotate(AT_ONCE)
    const late = await start()
    await isGood(await late.createUser())
    await isRefused(alice)
  })

  test('tokens with unknown keys make a server look once a second, not more', async () => {
    const server = await start()
    await rotate(AT_ONCE)
    const others = await start()
    const fromOthers = (client: Client) => createClient(server.url, client.identity)
    const [lost, found] = [await others.createUser(), await others.createUser()]
    await fromOthers(lost).expect(200, 'getProfile')
    await rotate(AT_ONCE)
    const newest = await start()
    const early = fromOthers(await newest.createUser())
    await early.refused('token-invalid', 'getProfile')
    await fromOthers(found).expect(200, 'getProfile')
    await clock.advance(1_000)
    await early.expect(200, 'getProfile')
    await fromOthers(found).refused('token-invalid', 'getProfile')
  })
})

describe('a file that can no longer be used', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['cut off in the middle of a key', async () => writeFile(file, (await text()).slice(0, -30))],
    ['missing', () => rm(file)],
    ['open to others', () => chmod(file, 0o644)],
    ['without any key', () => writeFile(file, '{"keys": []}')],
  ])(
    '(%s) keeps the keys in force, is logged once, and is followed again',
    async (_what, spoil) => {
      const server = await start()
      const alice = await server.createUser()
      const [former] = await read()
      const good = await text()
      await spoil()
      await clock.advance(POLL_MS)
      const errors = () => server.logLines().filter(({ level }) => level === 'error')
      await until(() => errors().length > 0)
      await clock.advance(POLL_MS)
      await isGood(alice)
      await isGood(await server.createUser())
      expect(errors()).toHaveLength(1)

      await writeFile(`${file}.new`, good, { mode: 0o600 })
      await rename(`${file}.new`, file)
      await rotate(withOverlap(3600))
      const [next] = await read()
      await letThemLook([next!.kid, former!.kid])
      await isGood(alice)
      const log = JSON.stringify(server.logLines())
      for (const { d } of await read()) expect(log).not.toContain(d!.slice(0, 12))
    },
  )

  const text = () => readFile(file, 'utf8')
})

describe('a rotation that is killed', () => {
  test('leaves the former file or the new one, and no acknowledged key is lost', async () => {
    const acknowledged: string[] = []
    for (let round = 1; round <= 6; round += 1) {
      const rotator = spawn(process.execPath, ['--import', TSX, ROTATOR, file])
      rotators.push(rotator)
      const exited = once(rotator, 'exit')
      const told = createInterface(rotator.stdout)[Symbol.asyncIterator]()
      for (let count = 0; count < round * 2; count += 1) {
        acknowledged.push((await told.next()).value as string)
        // Whoever reads in between sees a whole file.
        expect((await read()).map(({ kid }) => kid)).toContain(acknowledged.at(-1))
      }
      rotator.kill('SIGKILL')
      expect(await exited).toEqual([null, 'SIGKILL'])
      const keys = await parseSigningKeys(await readFile(file, 'utf8'), 'keys.json')
      const kept = keys.publicJwks().keys.map(({ kid }) => kid)
      expect(kept).toEqual(expect.arrayContaining(acknowledged))
    }
    const rotation = rotate(withOverlap(3600))
    await until(async () => {
      await clock.advance(100)
      return (await readdir(folder)).join() === 'keys.json'
    })
    await rotation
  }, 60_000)
})
