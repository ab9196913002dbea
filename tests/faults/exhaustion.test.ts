import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Client, createClient } from '../support/client.ts'
import {
  ADMIN,
  openWorkplace,
  type ParleyProcess,
  type Workplace,
} from '../support/process/process.ts'
import { openFiles, type Watched, watchProcess } from '../support/process/process-watch.ts'
import { openSlowClients } from '../support/wire/slow-clients.ts'
import { openStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { send, type WireResponse, type WireRequest } from '../support/wire/wire.ts'

const TIMEOUT_MS = 180_000
const LONGEST_BODY = 262_144
/** An attack that ends sooner is repeated, so that its effect on the server can be measured. */
const SHORTEST_ATTACK_MS = 2_000
/** The memory that an attack may cost, above that of an idle server. */
const MAX_EXTRA_MEGABYTES = 256
/** A busy server answers some calls late; one that hangs answers all of them late. */
const SHARE_IN_TIME = 0.75
/** Lower while hundreds of megabytes or a thousand callers arrive together and others queue. */
const SHARE_IN_RUSH = 0.5
const ENV = {
  // So small that a process that keeps what it should release runs out of memory.
  NODE_OPTIONS: '--max-old-space-size=256',
  BCRYPT_COST: '10',
  RATE_LIMIT_SIGN_IN_ADDRESS: '1000000/900',
  RATE_LIMIT_SIGN_IN_ACCOUNT: '1000000/900',
}

let workplace: Workplace
let parley: ParleyProcess
let alice: Client
let megabytesAtRest: number
beforeAll(async () => {
  workplace = await openWorkplace()
  parley = await workplace.start(ENV)
  const watched: () => Promise<Watched> = await watchProcess(parley)
  alice = await expectNormalService()
  megabytesAtRest = (await watched()).mostMegabytes
})
afterAll(() => workplace.close())
// One process goes through all attacks.
afterEach(expectNormalService)

/** Logs in, chats, and reads a stream to its end. */
async function expectNormalService(): Promise<Client> {
  const client = await parley.logIn()
  await client.expect(200, 'sendMessage', { body: { message: 'Hello' } })
  const stream = await openStream(client, { message: 'Hello' })
  expect((await stream.rest()).at(-1)!.name).toBe('message.end')
  return client
}

/** Runs the attack; checks that health answers meanwhile and that memory stays in bounds. */
async function expectEndurance(attack: () => Promise<void>, share = SHARE_IN_TIME): Promise<void> {
  const watched = await watchProcess(parley)
  const end = performance.now() + SHORTEST_ATTACK_MS
  do await attack()
  while (performance.now() < end)
  const { failures, answers, shareInTime, mostMegabytes } = await watched()
  expect(failures).toEqual([])
  expect(shareInTime).toBeGreaterThan(share)
  expect(answers).toBeGreaterThan(10)
  expect(mostMegabytes - megabytesAtRest).toBeLessThan(MAX_EXTRA_MEGABYTES)
}

/** Returns the number of responses of each kind, such as `400 invalid-request`. */
function countOutcomes(responses: readonly WireResponse[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const response of responses) {
    const { status } = response
    const outcome = status < 400 ? String(status) : `${String(status)} ${response.problem().code}`
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  return counts
}

function expectRetryAfter(responses: readonly WireResponse[], status: 429 | 503): void {
  for (const { headers } of responses.filter((response) => response.status === status)) {
    expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
  }
}

const sendConcurrently = (count: number, call: (place: number) => Promise<WireResponse>) =>
  Promise.all(Array.from({ length: count }, (_, place) => call(place)))

function post(operationId: 'logIn' | 'sendMessage', overrides: WireRequest): Promise<WireResponse> {
  const headers = { ...alice.credentials, 'Content-Type': 'application/json' }
  return send(alice.urlOf(operationId), { method: 'POST', headers, ...overrides })
}

/** Returns a body of this many bytes, with one long message. */
const bodyOfLength = (bytes: number) => JSON.stringify({ message: 'x'.repeat(bytes - 14) })

const distinctKeys = (count: number) =>
  Array.from({ length: count }, (_, i) => `"${i.toString(36)}":0`)

describe('a server under attack', () => {
  test(
    'closes 5,000 slow connections with 408, serves other clients meanwhile, and releases the sockets',
    async () => {
      const openBefore = openFiles(parley)
      await expectEndurance(async () => {
        const crowd = await openSlowClients(parley.url, 5_000)

        await expectNormalService()
        expect(crowd.left()).toEqual({})

        const areTimedOut = () => crowd.left()['408'] === 5_000
        await until(areTimedOut, TIMEOUT_MS).catch(() => undefined)
        expect(crowd.left()).toEqual({ 408: 5_000 })
        await until(() => openFiles(parley) < openBefore + 10, TIMEOUT_MS)
        await crowd.close()
      })
    },
    TIMEOUT_MS,
  )

  test.each([
    ['at the limit', { body: bodyOfLength(LONGEST_BODY) }, '400 invalid-request'],
    [
      'above the limit, with a Content-Length',
      { body: bodyOfLength(8 * LONGEST_BODY) },
      '413 payload-too-large',
    ],
    [
      'above the limit, in chunks',
      { body: bodyOfLength(8 * LONGEST_BODY), chunked: true as const },
      '413 payload-too-large',
    ],
  ])(
    'refuses 100 concurrent large bodies %s',
    async (_kind, request, refusal) => {
      await expectEndurance(async () => {
        const responses = await sendConcurrently(100, () => post('sendMessage', request))
        expect(countOutcomes(responses)).toEqual({ [refusal]: 100 })
      }, SHARE_IN_RUSH)
    },
    TIMEOUT_MS,
  )

  test.each([
    ['of arrays 100,000 deep', '['.repeat(100_000) + ']'.repeat(100_000), '400 invalid-request'],
    ['of objects 40,000 deep', '{"a":'.repeat(40_000) + '0', '400 invalid-request'],
    ['of 30,000 keys', `{${distinctKeys(30_000).join()}}`, '400 invalid-request'],
    ['of 100,000 keys', `{${distinctKeys(100_000).join()}}`, '413 payload-too-large'],
    ['of 100,000 numbers', `{"message":[${'0,'.repeat(100_000)}0]}`, '400 invalid-request'],
    ['of 80,000 empty objects', `[${'{},'.repeat(80_000)}{}]`, '400 invalid-request'],
    [
      'of 40,000 escape sequences',
      `{"message":"${String.raw`\u0041`.repeat(40_000)}"}`,
      '400 invalid-request',
    ],
  ])(
    'refuses 50 concurrent JSON bodies %s',
    async (_kind, body, refusal) => {
      await expectEndurance(async () => {
        const responses = await sendConcurrently(50, () => post('sendMessage', { body }))
        expect(countOutcomes(responses)).toEqual({ [refusal]: 50 })
      })
    },
    TIMEOUT_MS,
  )

  test(
    'answers each of 1,000 concurrent sign-ins, with 503 and Retry-After beyond the bounded queue',
    async () => {
      const bodies = [ADMIN, { ...ADMIN, password: 'not the password' }].map((credentials) =>
        JSON.stringify(credentials),
      )
      const headers = { 'Content-Type': 'application/json' }
      const logIn = (place: number) => post('logIn', { headers, body: bodies[place % 2]! })
      await expectEndurance(async () => {
        const responses = await sendConcurrently(1_000, logIn)

        const known = ['200', '401 invalid-credentials', '503 unavailable']
        expect(Object.keys(countOutcomes(responses)).toSorted()).toEqual(known)
        expectRetryAfter(responses, 503)
      }, SHARE_IN_RUSH)
    },
    TIMEOUT_MS,
  )

  test(
    'lets 30 of 1,000 concurrent wrong sign-ins from one address be tried, and refuses the others',
    async () => {
      const limited = await workplace.start({
        ...ENV,
        DATA_DIR: `${workplace.directory}/limited`,
        RATE_LIMIT_SIGN_IN_ADDRESS: '30/900',
        RATE_LIMIT_SIGN_IN_ACCOUNT: '5/900',
      })
      const anonymous = createClient(limited.url)
      const headers = { 'Content-Type': 'application/json' }

      const responses = await sendConcurrently(1_000, (place) => {
        const email = `nobody-${String(place)}@example.com`
        const body = JSON.stringify({ email, password: 'not the password' })
        return send(anonymous.urlOf('logIn'), { method: 'POST', headers, body })
      })

      expect(countOutcomes(responses)).toEqual({
        '401 invalid-credentials': 30,
        '429 quota-exceeded': 970,
      })
      expectRetryAfter(responses, 429)
    },
    TIMEOUT_MS,
  )
})
