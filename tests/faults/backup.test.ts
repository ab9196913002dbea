import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createClient } from '../support/client.ts'
import { openWorkplace, type Workplace } from '../support/process/process.ts'

const TIMEOUT_MS = 120_000

let workplace: Workplace
beforeEach(async () => {
  workplace = await openWorkplace()
})
afterEach(() => workplace.close())

const createFolder = async (name: string) => {
  const path = join(workplace.directory, name)
  await mkdir(path, { mode: 0o700 })
  return path
}

describe('a copy of DATA_DIR made after a stop', () => {
  test(
    'restores conversations, tokens and passwords as they were',
    async () => {
      const original = await createFolder('original')
      const parley = await workplace.start({ DATA_DIR: original })
      const alice = await parley.logIn()
      const { body: sent } = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
      const path = { conversationId: sent.conversationId }
      const { body: before } = await alice.expect(200, 'getConversation', { path })

      parley.signal('SIGTERM')
      expect(await parley.exited).toEqual({ code: 0, signal: null })

      const copy = await createFolder('copy')
      await cp(original, copy, { recursive: true, preserveTimestamps: true })

      // The backup must not see later changes.
      const later = await workplace.start({ DATA_DIR: original })
      await createClient(later.url, alice.identity).expect(204, 'deleteConversation', { path })

      const restored = await workplace.start({ DATA_DIR: copy })
      const restoredAlice = createClient(restored.url, alice.identity)

      expect((await restoredAlice.expect(200, 'getConversation', { path })).body).toEqual(before)
      const { refreshToken } = alice.identity
      await restoredAlice.expect(200, 'refreshTokens', { body: { refreshToken } })
      await restored.logIn()
    },
    TIMEOUT_MS,
  )
})
