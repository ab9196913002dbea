import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createClient } from '../support/client.ts'
import { openWorkplace, type Workplace } from '../support/process/process.ts'

const FULL_DISK = pathToFileURL(join(import.meta.dirname, '../support/process/full-disk.js')).href
const TRIES = 3

let workplace: Workplace
beforeEach(async () => {
  workplace = await openWorkplace()
})
afterEach(() => workplace.close())

/** It does not compress: it takes its place. */
const longText = () => randomBytes(1_900).toString('hex')

test('a full disk is 503 for who writes and nothing for who reads, and costs nothing', async () => {
  const flag = join(workplace.directory, 'full')
  const env = { FULL_DISK: flag, NODE_OPTIONS: `--import=${FULL_DISK}` }
  const first = await workplace.start(env)
  const alice = await first.logIn()
  const said = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
  const { conversationId } = said.body
  const path = { conversationId }

  await writeFile(flag, '')
  for (let i = 0; i < TRIES; i += 1) {
    const body = { message: longText(), conversationId }
    const { headers } = await alice.refused('unavailable', 'sendMessage', { body })
    expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
    const read = await alice.expect(200, 'getConversation', { path })
    expect(read.body.messages).toEqual([said.body.userMessage, said.body.message])
    await alice.expect(200, 'getHealth')
  }
  first.signal('SIGKILL')
  await first.exited

  await rm(flag)
  const second = await workplace.start(env)
  const again = createClient(second.url, alice.identity)
  const read = await again.expect(200, 'getConversation', { path })
  expect(read.body.messages).toEqual([said.body.userMessage, said.body.message])
  await again.expect(200, 'sendMessage', { body: { message: longText(), conversationId } })
}, 120_000)
