import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openWorkplace, type ParleyProcess, type Workplace } from '../support/process/process.ts'

const PATIENCE_MS = 60_000

let workplace: Workplace
beforeEach(async () => {
  workplace = await openWorkplace()
})
afterEach(() => workplace.close())

/** Makes a call that is answered immediately before the process ends. */
async function makeLastCall({ url }: ParleyProcess): Promise<void> {
  const headers = { 'X-Request-Id': 'the-last-call' }
  expect((await fetch(`${url}/api/v1/health`, { headers })).status).toBe(200)
}

/** Starts a server that throws an uncaught exception on SIGUSR2. */
async function startThrowing(): Promise<ParleyProcess> {
  const mistake = join(workplace.directory, 'mistake.mjs')
  await writeFile(mistake, `process.on('SIGUSR2', () => { throw new Error('our mistake') })`)
  return workplace.start({ NODE_OPTIONS: `--import ${pathToFileURL(mistake).href}` })
}

describe('the buffered log', () => {
  test(
    'contains the line of the last call after SIGTERM',
    async () => {
      const parley = await workplace.start()
      await makeLastCall(parley)
      parley.signal('SIGTERM')

      await parley.exited

      expect(parley.stdout()).toContain('"requestId":"the-last-call"')
    },
    PATIENCE_MS,
  )

  test(
    'contains the line of the last call after a second signal ends the process immediately',
    async () => {
      const parley = await workplace.start()
      await makeLastCall(parley)
      parley.signal('SIGTERM')
      parley.signal('SIGINT')

      await parley.exited

      expect(parley.stdout()).toContain('"requestId":"the-last-call"')
    },
    PATIENCE_MS,
  )

  test(
    'contains the line of the last call before that of the uncaught exception that ends the process with 1',
    async () => {
      const parley = await startThrowing()
      await makeLastCall(parley)

      parley.signal('SIGUSR2')

      expect(await parley.exited).toEqual({ code: 1, signal: null })
      expect(parley.stdout()).toContain('"requestId":"the-last-call"')
      const last = JSON.parse(parley.stdout().trimEnd().split('\n').at(-1)!) as object
      expect(last).toMatchObject({ level: 'fatal', msg: 'unexpected exception' })
      expect(JSON.stringify(last)).toContain('our mistake')
    },
    PATIENCE_MS,
  )
})
