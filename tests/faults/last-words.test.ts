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

/** A call that is answered in the very moment before the process is told to end. */
async function callLast({ url }: ParleyProcess): Promise<void> {
  const headers = { 'X-Request-Id': 'the-last-call' }
  expect((await fetch(`${url}/api/v1/health`, { headers })).status).toBe(200)
}

/** A program that makes a mistake of its own when it is sent SIGUSR2. */
async function startMistaken(): Promise<ParleyProcess> {
  const mistake = join(workplace.directory, 'mistake.mjs')
  await writeFile(mistake, `process.on('SIGUSR2', () => { throw new Error('our mistake') })`)
  return workplace.start({ NODE_OPTIONS: `--import ${pathToFileURL(mistake).href}` })
}

describe('the line of the last call is written, though lines are written together,', () => {
  test(
    'when the process is asked to end',
    async () => {
      const parley = await workplace.start()
      await callLast(parley)
      parley.signal('SIGTERM')

      await parley.exited

      expect(parley.stdout()).toContain('"requestId":"the-last-call"')
    },
    PATIENCE_MS,
  )

  test(
    'when it is made to end at once',
    async () => {
      const parley = await workplace.start()
      await callLast(parley)
      parley.signal('SIGTERM')
      parley.signal('SIGINT')

      await parley.exited

      expect(parley.stdout()).toContain('"requestId":"the-last-call"')
    },
    PATIENCE_MS,
  )

  test(
    'when a mistake of its own ends it, and that is logged as fatal, and it exits with 1',
    async () => {
      const parley = await startMistaken()
      await callLast(parley)
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
