import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createClient } from '../support/client.ts'
import { openWorkplace, type Workplace } from '../support/process/process.ts'

const FULL_DISK = pathToFileURL(join(import.meta.dirname, '../support/process/full-disk.js')).href
const ATTEMPTS = 3

let workplace: Workplace
beforeEach(async () => {
  workplace = await openWorkplace()
})
afterEach(() => workplace.close())

/** Random, because compressible text would still fit on the full disk. */
const incompressibleText = () => randomBytes(1_900).toString('hex')

describe('when the disk of the embedded database is full', () => {
  test('returns 503 for writes, serves reads, and keeps what was stored', async () => {
    const flag = join(workplace.directory, 'full')
    const env = { FULL_DISK: flag, NODE_OPTIONS: `--import=${FULL_DISK}` }
    const first = await workplace.start(env)
    const alice = await first.logIn()
    const sent = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const { conversationId } = sent.body
    const path = { conversationId }

    await writeFile(flag, '')
    for (let i = 0; i < ATTEMPTS; i += 1) {
      const body = { message: incompressibleText(), conversationId }
      const { headers } = await alice.refused('unavailable', 'sendMessage', { body })
      expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
      const read = await alice.expect(200, 'getConversation', { path })
      expect(read.body.messages).toEqual([sent.body.userMessage, sent.body.message])
      await alice.expect(200, 'getHealth')
    }

    first.signal('SIGKILL')
    await first.exited
    await rm(flag)
    const second = await workplace.start(env)
    const restartedAlice = createClient(second.url, alice.identity)

    const read = await restartedAlice.expect(200, 'getConversation', { path })
    expect(read.body.messages).toEqual([sent.body.userMessage, sent.body.message])
    await restartedAlice.expect(200, 'sendMessage', {
      body: { message: incompressibleText(), conversationId },
    })
  }, 120_000)
})
