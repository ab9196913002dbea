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
let heard: string[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-requests-'))
  clock = new TestClock('2026-11-23T09:00:00.000Z')
  heard = []
})
afterEach(() => rm(folder, { recursive: true }))

const requests = (key = KEY) => new OperatorRequests(folder, key, clock)
function follow(): () => void {
  const answer = async (text: string) => {
    heard.push(text)
    return `${text}!`
  }
  return requests().follow(answer, (error) => {
    throw error
  })
}

/** Time goes on until it is settled; files need some of their own. */
async function settled<T>(asking: Promise<T>): Promise<T> {
  let result: { value: T } | undefined
  void asking.then((value) => (result = { value }))
  return until(async () => {
    await clock.advance(100)
    return result
  }, 30_000).then(({ value }) => value)
}

test('a request is answered by the server, and nothing of it stays', async () => {
  const stop = follow()
  expect(await settled(requests().ask('please'))).toEqual({ kind: 'answered', answer: 'please!' })
  expect(heard).toEqual(['please'])
  expect(await readdir(folder)).toEqual([])

  stop()
})

test('a request that no server takes is taken back, and is not heard later', async () => {
  expect(await settled(requests().ask('please'))).toEqual({ kind: 'not-taken' })

  const stop = follow()
  await clock.advance(2 * SECOND_MS)
  expect([heard, await readdir(folder)]).toEqual([[], []])

  stop()
})

test('whoever lacks the server secret is not heard, and nobody is heard a minute later', async () => {
  const stop = follow()
  expect((await settled(requests(randomBytes(32)).ask('open'))).kind).not.toBe('answered')
  expect(heard).toEqual([])
  stop()

  const spying = requests().ask('old')
  const name = await until(async () => (await readdir(folder)).find((one) => one.endsWith('t')))
  const sealed = await readFile(join(folder, name), 'utf8')
  expect((await settled(spying)).kind).toBe('not-taken')
  await clock.advance(MINUTE_MS)
  await makeSecretFile(join(folder, name), sealed)
  const stopAgain = follow()
  await clock.advance(SECOND_MS)
  await until(async () => (await readdir(folder)).length === 0)
  expect(heard).toEqual([])
  stopAgain()
})
