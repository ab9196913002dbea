import { stat } from 'node:fs/promises'
import type { Clock } from '../clock/clock.ts'
import { parseKeySet, type KeySet } from './key-set.ts'
import type { Log } from '../observability/log.ts'
import { findSecretFile, SecretFileMistake } from './secret-file.ts'

/** Often enough that a new key is known everywhere long before it signs. */
const LOOK_EVERY_MS = 5_000
/** Anybody may send a token with an unknown `kid`: no file is asked more often for that. */
const LOOK_AGAIN_EVERY_MS = 1_000

/** Keys that may be others the next time. */
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

/**
 * The keys in a file, and what becomes of them. A file that can no longer be used changes nothing:
 * the keys in force stay, and the log says why, once for each reason.
 * @throws SecretFileMistake if the file cannot be used to begin with
 */
export async function openKeyFile(
  path: string,
  { clock, log }: { clock: Clock; log: Pick<Log, 'info' | 'error'> },
): Promise<KeySource> {
  let stamp = await stampOf(path)
  let keys = await readKeys(path, clock)
  let failure = ''
  let lookingNow: Promise<void> | undefined
  let lookedAgainAtMs = -Infinity

  const update = async (): Promise<void> => {
    // Asked before it is read: what is written in between is seen the next time.
    const found = await stampOf(path)
    if (found === stamp && failure === '') return
    keys = await readKeys(path, clock)
    stamp = found
    failure = ''
    const kids = keys.publicJwks(clock.now()).keys.map(({ kid }) => kid)
    log.info({ kids }, 'signing keys reloaded')
  }
  const report = (error: unknown): void => {
    const reason = String(error)
    if (reason !== failure)
      log.error({ err: error }, 'signing keys not reloaded: the current keys stay in use')
    failure = reason
  }
  const look = (): Promise<void> => {
    lookingNow ??= update()
      .catch(report)
      .finally(() => {
        lookingNow = undefined
      })
    return lookingNow
  }
  return {
    current: () => keys,
    async lookAgain() {
      if (clock.monotonicMs() - lookedAgainAtMs < LOOK_AGAIN_EVERY_MS) return lookingNow
      lookedAgainAtMs = clock.monotonicMs()
      await look()
    },
    follow: () => clock.every(LOOK_EVERY_MS, look),
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

/** Changes whenever the file does: renaming gives another inode, writing another time or size. */
async function stampOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  return found ? [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join() : 'missing'
}
