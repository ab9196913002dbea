import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createClient } from '../support/client.ts'
import { openWorkplace, type Workplace } from '../support/process/process.ts'

const PATIENCE_MS = 120_000

let workplace: Workplace
beforeEach(async () => {
  workplace = await openWorkplace()
})
afterEach(() => workplace.close())

const folder = async (name: string) => {
  const path = join(workplace.directory, name)
  await mkdir(path, { mode: 0o700 })
  return path
}

test(
  'a copy of DATA_DIR made after a stop is a whole backup: all that was kept, and who may enter',
  async () => {
    const original = await folder('original')
    const parley = await workplace.start({ DATA_DIR: original })
    const alice = await parley.logIn()
    const { body: sent } = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const path = { conversationId: sent.conversationId }
    const { body: before } = await alice.expect(200, 'getConversation', { path })
    parley.signal('SIGTERM')
    expect(await parley.exited).toEqual({ code: 0, signal: null })
    const copy = await folder('copy')
    await cp(original, copy, { recursive: true, preserveTimestamps: true })

    // What comes after the backup is not in it.
    const later = await workplace.start({ DATA_DIR: original })
    await createClient(later.url, alice.identity).expect(204, 'deleteConversation', { path })
    const restored = await workplace.start({ DATA_DIR: copy })
    const again = createClient(restored.url, alice.identity)
    expect((await again.expect(200, 'getConversation', { path })).body).toEqual(before)
    const { refreshToken } = alice.identity
    await again.expect(200, 'refreshTokens', { body: { refreshToken } })
    await restored.logIn()
  },
  PATIENCE_MS,
)
