import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { OperatorRequests } from '../../src/ports/operator-requests.ts'
import { makeSecretFile } from '../../src/ports/keys/secret-file.ts'
import { TestClock } from '../support/clock/clock.ts'
import { until } from '../support/clock/until.ts'

const KEY = randomBytes(32)
const SECOND_MS = 1_000
const MINUTE_MS = 60_000

let folder: string
let clock: TestClock
let received: string[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-requests-'))
  clock = new TestClock('2026-11-23T09:00:00.000Z')
  received = []
})
afterEach(() => rm(folder, { recursive: true }))

const openRequests = (key = KEY) => new OperatorRequests(folder, key, clock)
function follow(): () => void {
  const answer = async (text: string) => {
    received.push(text)
    return `${text}!`
  }
  return openRequests().follow(answer, (error) => {
    throw error
  })
}

/** Advances the clock until the promise settles; files also need real time. */
async function advanceUntilSettled<T>(pending: Promise<T>): Promise<T> {
  let result: { value: T } | undefined
  void pending.then((value) => (result = { value }))
  return until(async () => {
    await clock.advance(100)
    return result
  }, 30_000).then(({ value }) => value)
}

test('a request is answered by the server, and its files are deleted', async () => {
  const stop = follow()

  const outcome = await advanceUntilSettled(openRequests().ask('please'))

  expect(outcome).toEqual({ kind: 'answered', answer: 'please!' })
  expect(received).toEqual(['please'])
  expect(await readdir(folder)).toEqual([])

  stop()
})

test('a request that no server takes is withdrawn and never executed', async () => {
  expect(await advanceUntilSettled(openRequests().ask('please'))).toEqual({ kind: 'not-taken' })

  const stop = follow()
  await clock.advance(2 * SECOND_MS)
  expect([received, await readdir(folder)]).toEqual([[], []])

  stop()
})

test('a request with another server secret is not executed', async () => {
  const stop = follow()

  const outcome = await advanceUntilSettled(openRequests(randomBytes(32)).ask('open'))

  expect(outcome.kind).not.toBe('answered')
  expect(received).toEqual([])

  stop()
})

test('a request that is replayed after a minute is not executed', async () => {
  const intercepted = openRequests().ask('old')
  const name = await until(async () => (await readdir(folder)).find((one) => one.endsWith('t')))
  const sealed = await readFile(join(folder, name), 'utf8')
  expect((await advanceUntilSettled(intercepted)).kind).toBe('not-taken')

  await clock.advance(MINUTE_MS)
  await makeSecretFile(join(folder, name), sealed)
  const stop = follow()
  await clock.advance(SECOND_MS)
  await until(async () => (await readdir(folder)).length === 0)

  expect(received).toEqual([])

  stop()
})
