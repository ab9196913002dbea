import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from './clock/clock.ts'
import { findSecretFile, isCode, makeSecretFile } from './keys/secret-file.ts'

/** What an operator asks of the server that has the folder of data open, and may not wait for long. */
const LOOK_EVERY_MS = 1_000
/** A server that is there takes a request within this time; in real time, as files are. */
const TAKEN_WITHIN_MS = 5_000
const ANSWERED_WITHIN_MS = 20_000
const ASK_EVERY_MS = 100
/** A request that waited so long was left behind: whoever wrote it no longer reckons with it. */
const GOOD_FOR_MS = 60_000

/** What came of a request. */
export type Asked = { kind: 'answered'; answer: string } | { kind: 'not-taken' | 'not-answered' }

/** Files by which a command reaches the one process that may have the embedded database open. */
export interface OperatorRequests {
  /** Leaves a request and waits; what nobody took is taken back. */
  ask(text: string): Promise<Asked>
  /** Answers each request until the returned function is called. */
  follow(answer: (text: string) => Promise<string>, onError: (error: unknown) => void): () => void
}

/**
 * Requests in a folder of the folder of data, for its owner alone (0600). Each carries a code that
 * only whoever has the server secret can make: being able to write there is not enough.
 * @param key derived from the server secret for `operator-requests`
 */
export function createOperatorRequests(
  folder: string,
  key: Buffer,
  clock: Clock,
): OperatorRequests {
  const pathOf = (id: string, ending: Ending) => join(folder, `${id}.${ending}`)
  const remove = (id: string) =>
    Promise.all(ENDINGS.map((ending) => rm(pathOf(id, ending), { force: true })))

  /** Of the writer who takes it back and the server, one gets it. */
  const claim = (id: string) =>
    rename(pathOf(id, 'request'), pathOf(id, 'taken')).then(() => true, isGone)

  const waitForAnswer = async (id: string): Promise<Asked> => {
    const sinceMs = clock.monotonicMs()
    for (;;) {
      const answer = await findSecretFile(pathOf(id, 'answer'))
      if (answer !== undefined) return { kind: 'answered', answer }
      const waitedMs = clock.monotonicMs() - sinceMs
      if (waitedMs > TAKEN_WITHIN_MS && (await claim(id))) return { kind: 'not-taken' }
      if (waitedMs > ANSWERED_WITHIN_MS) return { kind: 'not-answered' }
      await clock.wait(ASK_EVERY_MS)
    }
  }

  const serve = async (id: string, answer: (text: string) => Promise<string>): Promise<void> => {
    if (!(await claim(id))) return
    const sealed = await findSecretFile(pathOf(id, 'taken'))
    const text = sealed === undefined ? undefined : unseal(sealed, key, clock.now())
    if (text !== undefined) await makeSecretFile(pathOf(id, 'answer'), await answer(text))
    await rm(pathOf(id, 'taken'), { force: true })
  }

  const look = async (answer: (text: string) => Promise<string>): Promise<void> => {
    for (const { id, ending } of await filesIn(folder)) {
      if (ending === 'request') await serve(id, answer)
      else await removeOld(pathOf(id, ending), clock.now())
    }
  }

  return {
    async ask(text) {
      const id = randomUUID()
      try {
        await makeSecretFile(pathOf(id, 'request'), seal(text, key, clock.now()))
        return await waitForAnswer(id)
      } finally {
        await remove(id)
      }
    },
    follow: (answer, onError) => clock.every(LOOK_EVERY_MS, () => look(answer), onError),
  }
}

const ENDINGS = ['request', 'taken', 'answer'] as const
type Ending = (typeof ENDINGS)[number]

async function filesIn(folder: string): Promise<{ id: string; ending: Ending }[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return []
    throw error
  })
  return names.flatMap((name) => {
    const [, id, word] = /^([0-9a-f-]{36})\.([a-z]+)$/.exec(name) ?? []
    const ending = ENDINGS.find((known) => known === word)
    return id !== undefined && ending ? [{ id, ending }] : []
  })
}

/** What a command or a server that was killed has left. */
async function removeOld(path: string, now: Date): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found && now.getTime() - found.mtimeMs > GOOD_FOR_MS) await rm(path, { force: true })
}

function isGone(error: unknown): false {
  if (isCode(error, 'ENOENT')) return false
  throw error
}

function seal(text: string, key: Buffer, now: Date): string {
  const content = JSON.stringify({ at: now.getTime(), text })
  return `${codeOf(content, key).toString('hex')} ${content}`
}

/** The text of a request, or nothing if whoever wrote it lacks the secret or wrote it long ago. */
function unseal(sealed: string, key: Buffer, now: Date): string | undefined {
  const content = sealed.slice(CODE_LETTERS + 1)
  const code = Buffer.from(sealed.slice(0, CODE_LETTERS), 'hex')
  const right = codeOf(content, key)
  if (code.length !== right.length || !timingSafeEqual(code, right)) return undefined
  const { at, text } = JSON.parse(content) as { at: number; text: string }
  return Math.abs(now.getTime() - at) <= GOOD_FOR_MS ? text : undefined
}

const CODE_LETTERS = 64

function codeOf(content: string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(content).digest()
}
