import { createHmac, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import bcrypt from 'bcrypt'
import { createHashQueue } from './hash-queue.ts'

export { HashQueueFull } from './hash-queue.ts'

/** Hashing and checking of passwords, off the event loop and never too many at once. */
export interface Passwords {
  /**
   * @param signal gives up the place of whoever waits for his turn
   * @throws HashQueueFull if too many wait already; the signal's reason
   */
  hash(password: string, signal?: AbortSignal): Promise<string>
  /**
   * Whether the password is the one behind `hash`. Without a hash (an unknown account) the answer
   * is false, after the same work as for a wrong password.
   * @param signal gives up the place of whoever waits for his turn
   * @throws HashQueueFull if too many wait already; the signal's reason
   */
  verify(password: string, hash: string | undefined, signal?: AbortSignal): Promise<boolean>
  /** Whether a hash was made at another cost, and should be made anew at the next right password. */
  isOutdated(hash: string): boolean
  /** How many hashes are being made, and how many wait for their turn. */
  load(): { running: number; waiting: number }
}

/** What a `Passwords` is made of. */
export interface PasswordsOptions {
  /** The derived key for `passwords`. */
  key: Buffer
  /** bcrypt's cost: each step doubles the work. */
  cost: number
  /** How many hashes at once; by default one core is left for everything else. */
  concurrency?: number
  /** How many may wait for their turn. */
  maxWaiting?: number
}

/** About what one bcrypt at cost 10 takes on a server's core, in milliseconds; for `Retry-After`. */
const HASH_AT_COST_10_MS = 65

/** Passwords by native bcrypt over a keyed pre-hash. */
export function createPasswords(options: PasswordsOptions): Passwords {
  const { key, cost } = options
  const { inTurn, load } = createHashQueue({
    concurrency: options.concurrency ?? Math.max(1, availableParallelism() - 1),
    maxWaiting: options.maxWaiting ?? 64,
    estimatedMs: HASH_AT_COST_10_MS * 2 ** (cost - 10),
  })
  const decoy = decoyHash(cost)
  return {
    hash: (password, signal) => inTurn(() => bcrypt.hash(preHash(key, password), cost), signal),
    async verify(password, hash, signal) {
      const compare = () => bcrypt.compare(preHash(key, password), hash ?? decoy)
      const matches = await inTurn(compare, signal)
      return matches && hash !== undefined
    },
    load,
    isOutdated: (hash) => bcrypt.getRounds(hash) !== cost,
  }
}

/**
 * bcrypt reads 72 bytes and stops at U+0000: 64 base64 characters carry the whole password. The
 * key makes stolen hashes useless without the server secret.
 */
function preHash(key: Buffer, password: string): string {
  return createHmac('sha384', key).update(password.normalize('NFC')).digest('base64')
}

/** A well-formed hash of nothing anyone knows, made without the time that hashing takes. */
export function decoyHash(cost: number): string {
  const digest = randomBytes(24).toString('base64').slice(0, 31)
  return bcrypt.genSaltSync(cost) + digest.replaceAll('+', '.')
}
