import { stat } from 'node:fs/promises'
import type { Clock } from '../clock/clock.ts'
import { parseKeySet, type KeySet } from './key-set.ts'
import type { Log } from '../observability/log.ts'
import { findSecretFile, SecretFileMistake } from './secret-file.ts'

/** Often enough that a new key is known everywhere long before it signs. */
const LOOK_EVERY_MS = 5_000
/** Any client may send a token with an unknown `kid`: the file is not read more often for that. */
const LOOK_AGAIN_EVERY_MS = 1_000

/** Keys that may change. */
export interface KeySource {
  /** The keys in force. */
  current(): KeySet
  /**
   * Looks whether the file has changed, now rather than at the next turn; once a second at most,
   * however often it is called. Never throws.
   */
  lookAgain(): Promise<void>
  /** Looks every few seconds until the returned function is called. */
  follow(): () => void
}

type Surroundings = { clock: Clock; log: Pick<Log, 'info' | 'error'> }

/**
 * The keys in a file, which are read again when it changes. A file that can no longer be used changes
 * nothing: the keys in force stay, and the log says why, once for each reason.
 * @throws SecretFileMistake if the file cannot be used to begin with
 */
export async function openKeyFile(path: string, surroundings: Surroundings): Promise<KeySource> {
  const stamp = await stampOf(path)
  return new KeyFile(path, surroundings, stamp, await readKeys(path, surroundings.clock))
}

class KeyFile implements KeySource {
  readonly #path: string
  readonly #clock: Clock
  readonly #log: Pick<Log, 'info' | 'error'>
  #stamp: string
  #keys: KeySet
  #loggedFailure = ''
  #looking: Promise<void> | undefined
  #lookedAgainAtMs = -Infinity

  constructor(path: string, { clock, log }: Surroundings, stamp: string, keys: KeySet) {
    this.#path = path
    this.#clock = clock
    this.#log = log
    this.#stamp = stamp
    this.#keys = keys
  }

  current(): KeySet {
    return this.#keys
  }

  async lookAgain(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#lookedAgainAtMs < LOOK_AGAIN_EVERY_MS) {
      return this.#looking
    }
    this.#lookedAgainAtMs = this.#clock.monotonicMs()
    await this.#look()
  }

  follow(): () => void {
    return this.#clock.every(LOOK_EVERY_MS, () => this.#look())
  }

  #look(): Promise<void> {
    this.#looking ??= this.#update()
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#looking = undefined
      })
    return this.#looking
  }

  async #update(): Promise<void> {
    // Asked before the file is read: what is written in between is seen the next time.
    const stamp = await stampOf(this.#path)
    if (stamp === this.#stamp && this.#loggedFailure === '') return
    this.#keys = await readKeys(this.#path, this.#clock)
    this.#stamp = stamp
    this.#loggedFailure = ''
    const kids = this.#keys.publicJwks(this.#clock.now()).keys.map(({ kid }) => kid)
    this.#log.info({ kids }, 'signing keys reloaded')
  }

  #report(error: unknown): void {
    const failure = String(error)
    if (failure !== this.#loggedFailure) {
      this.#log.error({ err: error }, 'signing keys not reloaded: the current keys stay in use')
    }
    this.#loggedFailure = failure
  }
}

/**
 * Reads the keys in a file, to see whether they can be used.
 * @throws SecretFileMistake with the place of the mistake, never with a key's value
 */
export async function checkKeyFile(path: string, clock: Clock): Promise<void> {
  await readKeys(path, clock)
}

async function readKeys(path: string, clock: Clock): Promise<KeySet> {
  const text = await findSecretFile(path)
  if (text === undefined) {
    throw new SecretFileMistake(`${path} does not exist. Create it with "npm run secrets".`)
  }
  const keys = await parseKeySet(text, path)
  if (keys.findSigner(clock.now())) return keys
  throw new SecretFileMistake(`${path} has only retired keys: run "npm run rotate-keys".`)
}

/** Changes whenever the file does: a rename changes the inode, a write the time or the size. */
async function stampOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  return found ? [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join() : 'missing'
}
