import { timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { HeldApiKey } from '../../store/store.ts'
import type { AccountStatus } from '../access/account-status.ts'
import { ChangeFeed, OVERLAP_MS } from '../access/change-feed.ts'
import type { Principal } from '../access/principal.ts'
import { knownScopes } from '../access/scopes.ts'
import type { Call } from '../calls/call.ts'
import type { Dependencies } from '../dependencies.ts'
import type { Limits } from '../limits/limits.ts'
import { Problem } from '../problem.ts'
import { trySecret } from './sign-in-attempts.ts'

const CACHED_KEYS = 10_000
/** A key is cached for this long, unless a change of it is noticed before. */
export const KEY_CACHED_SECONDS = 300
const KEY_CACHED_MS = KEY_CACHED_SECONDS * 1000
/** Uses are written in batches, so that `lastUsedAt` costs no call a statement. */
const WRITE_USES_EVERY_MS = 30_000

type CachedKey = { key: HeldApiKey; readAtMs: number }
type Deps = Pick<Dependencies, 'store' | 'clock' | 'apiKeys'> & {
  limits: Limits
  accountStatus: AccountStatus
}

/**
 * Checks API keys. A key is read from the database once and then cached by its hash, until a change
 * of it is noticed, on this instance or another.
 */
export class ApiKeyCredentials {
  readonly #deps: Deps
  readonly #cache = new LRUCache<string, CachedKey>({ max: CACHED_KEYS })
  readonly #changes = new Map<string, { at: number; noticedAtMs: number }>()
  readonly #usedAt = new Map<string, Date>()
  /** The keys that other instances change. */
  readonly feed: ChangeFeed

  constructor(deps: Deps) {
    this.#deps = deps
    this.feed = new ChangeFeed(deps.clock, KEY_CACHED_MS, (since) => this.#readChanges(since))
  }

  /** The principal of a key. @throws {Problem} token-invalid, token-expired, account-disabled */
  async principalOf(secret: string, call: Call): Promise<Principal> {
    const key = await this.#find(secret, call)
    const now = this.#deps.clock.now()
    if (key.revokedAt) throw new Problem('token-invalid')
    if (isPast(key.expiresAt, now) || isPast(key.overlapEndsAt, now)) {
      throw new Problem('token-expired')
    }
    if (key.account.disabled) throw new Problem('account-disabled')
    this.#usedAt.set(key.id, now)
    return {
      id: key.accountId,
      apiKeyId: key.id,
      role: key.account.role,
      scopes: knownScopes(key.account.scopes),
    }
  }

  /**
   * Drops a key from the cache that was revoked or rotated, after the transaction has committed.
   */
  invalidate(keyId: string, at: Date): void {
    if (this.#changes.get(keyId)?.at === at.getTime()) return
    const noticedAtMs = this.#deps.clock.monotonicMs()
    this.#changes.set(keyId, { at: at.getTime(), noticedAtMs })
  }

  /** Whether a key that was accepted before is still valid. */
  async isAlive(keyId: string): Promise<boolean> {
    const { store, clock } = this.#deps
    return !this.#changes.has(keyId) || store.apiKeys.isAlive({ id: keyId, now: clock.now() })
  }

  /** Writes when keys were last used. */
  async writeUses(): Promise<void> {
    const uses = [...this.#usedAt].map(([id, at]) => ({ id, at }))
    this.#usedAt.clear()
    if (uses.length > 0) await this.#deps.store.apiKeys.touch(uses)
  }

  /** Writes them every half minute until the returned function is called. */
  followUses(onError: (error: unknown) => void): () => void {
    return this.#deps.clock.every(WRITE_USES_EVERY_MS, () => this.writeUses(), onError)
  }

  async #find(secret: string, call: Call): Promise<HeldApiKey> {
    const { apiKeys, limits } = this.#deps
    const publicId = apiKeys.read(secret)
    const hash = apiKeys.hash(secret)
    const cacheKey = hash.toString('base64')
    const cached = this.#cache.get(cacheKey)
    if (cached && this.#isFresh(cached)) return cached.key
    const check = async () => (publicId === undefined ? undefined : this.#read(publicId, hash))
    const read = await trySecret(limits, call, check)
    if (!read) throw new Problem('token-invalid')
    this.#cache.set(cacheKey, read)
    return read.key
  }

  async #read(publicId: string, hash: Buffer): Promise<CachedKey | undefined> {
    const { store, clock } = this.#deps
    const readAtMs = clock.monotonicMs()
    const key = await store.apiKeys.findHeld(publicId)
    return key && timingSafeEqual(key.hash, hash) ? { key, readAtMs } : undefined
  }

  /** A reading that was in progress when a change was noticed may have missed it. */
  #isFresh({ key, readAtMs }: CachedKey): boolean {
    const { clock, accountStatus } = this.#deps
    if (clock.monotonicMs() - readAtMs > KEY_CACHED_MS) return false
    const changes = [
      this.#changes.get(key.id)?.noticedAtMs,
      accountStatus.noticedAtMs(key.accountId),
    ]
    return changes.every((atMs) => atMs === undefined || readAtMs > atMs)
  }

  async #readChanges(since: Date): Promise<void> {
    const { store, clock } = this.#deps
    for (const { id, changedAt } of await store.apiKeys.changedSince(since)) {
      this.invalidate(id, changedAt)
    }
    const oldestMs = clock.monotonicMs() - KEY_CACHED_MS - 2 * OVERLAP_MS
    for (const [id, { noticedAtMs }] of this.#changes) {
      if (noticedAtMs < oldestMs) this.#changes.delete(id)
    }
  }
}

function isPast(end: Date | undefined, now: Date): boolean {
  return end !== undefined && end <= now
}
