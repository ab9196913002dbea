import { createHmac, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import bcrypt from 'bcrypt'
import { HashQueue } from './hash-queue.ts'

export { HashQueueFull } from './hash-queue.ts'

/** Hashes and checks passwords, off the event loop and a few at a time. */
export interface Passwords {
  /**
   * @param signal ends the waiting for a turn
   * @throws HashQueueFull if too many wait already; the signal's reason
   */
  hash(password: string, signal?: AbortSignal): Promise<string>
  /**
   * Whether the password is the one behind `hash`. Without a hash (an unknown account) it is not,
   * after the same work as for a wrong password.
   * @param signal ends the waiting for a turn
   * @throws HashQueueFull if too many wait already; the signal's reason
   */
  verify(password: string, hash: string | undefined, signal?: AbortSignal): Promise<boolean>
  /** Whether a hash was made at another cost: the next right password should replace it. */
  isOutdated(hash: string): boolean
  /** How many hashes are in progress, and how many wait for their turn. */
  load(): { running: number; waiting: number }
}

export interface PasswordsOptions {
  /** The derived key for `passwords`. */
  key: Buffer
  /** bcrypt's cost: each step doubles the work. */
  cost: number
  /** How many hashes are made concurrently; by default one core is left for everything else. */
  concurrency?: number
  /** How many may wait for their turn. */
  maxWaiting?: number
}

/** What one bcrypt at cost 10 takes on the core of a server, roughly; for `Retry-After`. */
const HASH_AT_COST_10_MS = 65

/** Passwords by native bcrypt over a keyed pre-hash. */
export function createPasswords(options: PasswordsOptions): Passwords {
  const { key, cost } = options
  const queue = new HashQueue({
    concurrency: options.concurrency ?? Math.max(1, availableParallelism() - 1),
    maxWaiting: options.maxWaiting ?? 64,
    estimatedMs: HASH_AT_COST_10_MS * 2 ** (cost - 10),
  })
  const decoy = decoyHash(cost)
  return {
    hash: (password, signal) => queue.run(() => bcrypt.hash(preHash(key, password), cost), signal),
    async verify(password, hash, signal) {
      const compare = () => bcrypt.compare(preHash(key, password), hash ?? decoy)
      const matches = await queue.run(compare, signal)
      return matches && hash !== undefined
    },
    load: () => queue.load(),
    isOutdated: (hash) => bcrypt.getRounds(hash) !== cost,
  }
}

/**
 * bcrypt reads at most 72 bytes and stops at U+0000: 64 base64 characters carry the whole password.
 * The key makes stolen hashes useless without the server secret.
 */
function preHash(key: Buffer, password: string): string {
  return createHmac('sha384', key).update(password.normalize('NFC')).digest('base64')
}

/** A well-formed hash of an unknown password, made without the time that hashing takes. */
export function decoyHash(cost: number): string {
  const digest = randomBytes(24).toString('base64').slice(0, 31)
  return bcrypt.genSaltSync(cost) + digest.replaceAll('+', '.')
}
