import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from './clock/clock.ts'
import { findSecretFile, isCode, makeSecretFile } from './keys/secret-file.ts'

/** An operator waits for the reply: it may not take long. */
const LOOK_EVERY_MS = 1_000
/** A running server takes a request within this time; in real time, as files are. */
const TAKEN_WITHIN_MS = 5_000
const ANSWERED_WITHIN_MS = 20_000
const ASK_EVERY_MS = 100
/** A request that waited longer was left behind: its writer no longer expects a reply. */
const GOOD_FOR_MS = 60_000

/** What came of a request. */
export type Asked = { kind: 'answered'; answer: string } | { kind: 'not-taken' | 'not-answered' }

const ENDINGS = ['request', 'taken', 'answer'] as const
type Ending = (typeof ENDINGS)[number]

type Reply = (text: string) => Promise<string>

/**
 * Files by which a command reaches the one process that may have the embedded database open: requests
 * in a folder of DATA_DIR, for its owner alone (0600). Each carries a code that takes the server
 * secret to make: being able to write there is not enough.
 */
export class OperatorRequests {
  readonly #folder: string
  readonly #key: Buffer
  readonly #clock: Clock

  /** @param key derived from the server secret for `operator-requests` */
  constructor(folder: string, key: Buffer, clock: Clock) {
    this.#folder = folder
    this.#key = key
    this.#clock = clock
  }

  /** Leaves a request and waits for its reply; a request that no server took is taken back. */
  async ask(text: string): Promise<Asked> {
    const id = randomUUID()
    try {
      await makeSecretFile(this.#pathOf(id, 'request'), seal(text, this.#key, this.#clock.now()))
      return await this.#waitForReply(id)
    } finally {
      await this.#remove(id)
    }
  }

  /** Replies to each request until the returned function is called. */
  follow(reply: Reply, onError: (error: unknown) => void): () => void {
    return this.#clock.every(LOOK_EVERY_MS, () => this.#look(reply), onError)
  }

  async #waitForReply(id: string): Promise<Asked> {
    const sinceMs = this.#clock.monotonicMs()
    for (;;) {
      const answer = await findSecretFile(this.#pathOf(id, 'answer'))
      if (answer !== undefined) return { kind: 'answered', answer }
      const waitedMs = this.#clock.monotonicMs() - sinceMs
      if (waitedMs > TAKEN_WITHIN_MS && (await this.#take(id))) return { kind: 'not-taken' }
      if (waitedMs > ANSWERED_WITHIN_MS) return { kind: 'not-answered' }
      await this.#clock.wait(ASK_EVERY_MS)
    }
  }

  async #look(reply: Reply): Promise<void> {
    for (const { id, ending } of await filesIn(this.#folder)) {
      if (ending === 'request') await this.#serve(id, reply)
      else await removeOld(this.#pathOf(id, ending), this.#clock.now())
    }
  }

  async #serve(id: string, reply: Reply): Promise<void> {
    if (!(await this.#take(id))) return
    const sealed = await findSecretFile(this.#pathOf(id, 'taken'))
    const text = sealed === undefined ? undefined : unseal(sealed, this.#key, this.#clock.now())
    if (text !== undefined) await makeSecretFile(this.#pathOf(id, 'answer'), await reply(text))
    await rm(this.#pathOf(id, 'taken'), { force: true })
  }

  /** Of the writer that takes its request back and the server, only one succeeds. */
  #take(id: string): Promise<boolean> {
    return rename(this.#pathOf(id, 'request'), this.#pathOf(id, 'taken')).then(() => true, isGone)
  }

  async #remove(id: string): Promise<void> {
    await Promise.all(ENDINGS.map((ending) => rm(this.#pathOf(id, ending), { force: true })))
  }

  #pathOf(id: string, ending: Ending): string {
    return join(this.#folder, `${id}.${ending}`)
  }
}

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

/** For the files of a command or a server that was killed. */
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

/** The text of a request; undefined if it was made without the secret, or too long ago. */
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
