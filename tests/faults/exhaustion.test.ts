import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
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

const PATIENCE_MS = 180_000
const LONGEST_BODY = 262_144
/** Some attacks are over before anybody could ask how the server is: they are begun again. */
const LONG_ENOUGH_MS = 2_000
/** What all of this may cost, above what a server takes that has nothing to do. */
const MOST_MEGABYTES_MORE = 256
/** Of a server that is stuck all answers are late; of one that is busy, some. */
const SHARE_IN_TIME = 0.75
/** While hundreds of megabytes or a thousand callers are let in at once, others wait for their turn. */
const SHARE_IN_STAMPEDE = 0.5
const ENV = {
  // Whoever keeps what he should not keep dies of it.
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
  alice = await worksAsEver()
  megabytesAtRest = (await watched()).mostMegabytes
})
afterAll(() => workplace.close())
// The one process goes through all of it.
afterEach(worksAsEver)

/** Somebody logs in, chats, and reads a stream to its end. */
async function worksAsEver(): Promise<Client> {
  const client = await parley.logIn()
  await client.expect(200, 'sendMessage', { body: { message: 'Hello' } })
  const stream = await openStream(client, { message: 'Hello' })
  expect((await stream.rest()).at(-1)!.name).toBe('message.end')
  return client
}

/** Health is answered all the while, and memory stays within its bound. */
async function endures(attack: () => Promise<void>, share = SHARE_IN_TIME): Promise<void> {
  const watched = await watchProcess(parley)
  const end = performance.now() + LONG_ENOUGH_MS
  do await attack()
  while (performance.now() < end)
  const { failures, answers, shareInTime, mostMegabytes } = await watched()
  expect(failures).toEqual([])
  expect(shareInTime).toBeGreaterThan(share)
  expect(answers).toBeGreaterThan(10)
  expect(mostMegabytes - megabytesAtRest).toBeLessThan(MOST_MEGABYTES_MORE)
}

/** @returns how often each was answered: `400 invalid-request`, say */
function tally(answers: readonly WireResponse[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const answer of answers) {
    const { status } = answer
    const what = status < 400 ? String(status) : `${String(status)} ${answer.problem().code}`
    counts[what] = (counts[what] ?? 0) + 1
  }
  return counts
}

function tellsWhenToComeBack(answers: readonly WireResponse[], status: 429 | 503): void {
  for (const { headers } of answers.filter((one) => one.status === status)) {
    expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
  }
}

const atOnce = (count: number, call: (place: number) => Promise<WireResponse>) =>
  Promise.all(Array.from({ length: count }, (_, place) => call(place)))

function post(operationId: 'logIn' | 'sendMessage', odd: WireRequest): Promise<WireResponse> {
  const headers = { ...alice.credentials, 'Content-Type': 'application/json' }
  return send(alice.urlOf(operationId), { method: 'POST', headers, ...odd })
}

test(
  '5,000 slow connections are each sent away in time, hold up nobody, and leave nothing behind',
  async () => {
    const openBefore = openFiles(parley)
    await endures(async () => {
      const crowd = await openSlowClients(parley.url, 5_000)
      await worksAsEver()
      expect(crowd.left()).toEqual({})
      const areSentAway = () => crowd.left()['408'] === 5_000
      await until(areSentAway, PATIENCE_MS).catch(() => undefined)
      expect(crowd.left()).toEqual({ 408: 5_000 })
      await until(() => openFiles(parley) < openBefore + 10, PATIENCE_MS)
      await crowd.close()
    })
  },
  PATIENCE_MS,
)

/** A message of so many bytes as a whole body. */
const ofLength = (bytes: number) => JSON.stringify({ message: 'x'.repeat(bytes - 14) })

test.each([
  ['at the limit', { body: ofLength(LONGEST_BODY) }, '400 invalid-request'],
  ['above it, announced', { body: ofLength(8 * LONGEST_BODY) }, '413 payload-too-large'],
  [
    'above it, in chunks',
    { body: ofLength(8 * LONGEST_BODY), chunked: true as const },
    '413 payload-too-large',
  ],
])(
  '100 large bodies at once, %s, are each refused',
  async (_how, request, refusal) => {
    await endures(async () => {
      const answers = await atOnce(100, () => post('sendMessage', request))
      expect(tally(answers)).toEqual({ [refusal]: 100 })
    }, SHARE_IN_STAMPEDE)
  },
  PATIENCE_MS,
)

const keys = (count: number) => Array.from({ length: count }, (_, i) => `"${i.toString(36)}":0`)

test.each([
  ['100,000 arrays deep', '['.repeat(100_000) + ']'.repeat(100_000), '400 invalid-request'],
  ['40,000 objects deep', '{"a":'.repeat(40_000) + '0', '400 invalid-request'],
  ['30,000 keys wide', `{${keys(30_000).join()}}`, '400 invalid-request'],
  ['100,000 keys wide', `{${keys(100_000).join()}}`, '413 payload-too-large'],
  ['100,000 numbers wide', `{"message":[${'0,'.repeat(100_000)}0]}`, '400 invalid-request'],
  ['100,000 empty objects wide', `[${'{},'.repeat(80_000)}{}]`, '400 invalid-request'],
  [
    '40,000 escapes long',
    `{"message":"${String.raw`\u0041`.repeat(40_000)}"}`,
    '400 invalid-request',
  ],
])(
  '50 bodies at once of JSON that is %s are each refused',
  async (_how, body, refusal) => {
    await endures(async () => {
      const answers = await atOnce(50, () => post('sendMessage', { body }))
      expect(tally(answers)).toEqual({ [refusal]: 50 })
    })
  },
  PATIENCE_MS,
)

test(
  'of 1,000 sign-ins at once each is answered, in a bounded queue, and the rest told to come back',
  async () => {
    const bodies = [ADMIN, { ...ADMIN, password: 'not the password' }].map((one) =>
      JSON.stringify(one),
    )
    const headers = { 'Content-Type': 'application/json' }
    const logIn = (place: number) => post('logIn', { headers, body: bodies[place % 2]! })
    await endures(async () => {
      const answers = await atOnce(1_000, logIn)
      const known = ['200', '401 invalid-credentials', '503 unavailable']
      expect(Object.keys(tally(answers)).toSorted()).toEqual(known)
      tellsWhenToComeBack(answers, 503)
    }, SHARE_IN_STAMPEDE)
  },
  PATIENCE_MS,
)

test(
  'of 1,000 wrong sign-ins at once from one address the limits let a few be tried',
  async () => {
    const guarded = await workplace.start({
      ...ENV,
      DATA_DIR: `${workplace.directory}/guarded`,
      RATE_LIMIT_SIGN_IN_ADDRESS: '30/900',
      RATE_LIMIT_SIGN_IN_ACCOUNT: '5/900',
    })
    const anybody = createClient(guarded.url)
    const headers = { 'Content-Type': 'application/json' }
    const answers = await atOnce(1_000, (place) => {
      const email = `nobody-${String(place)}@example.com`
      const body = JSON.stringify({ email, password: 'not the password' })
      return send(anybody.urlOf('logIn'), { method: 'POST', headers, body })
    })
    expect(tally(answers)).toEqual({ '401 invalid-credentials': 30, '429 quota-exceeded': 970 })

    tellsWhenToComeBack(answers, 429)
  },
  PATIENCE_MS,
)
