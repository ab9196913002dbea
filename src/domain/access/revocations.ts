import type { Clock } from '../../ports/clock/clock.ts'
import type { Store } from '../../store/store.ts'
import { ChangeFeed, OVERLAP_MS } from './change-feed.ts'

type Deps = { store: Pick<Store, 'sessions'>; clock: Clock }

/**
 * The sessions that were revoked while access tokens of theirs may still be valid. They are held in
 * memory, so that no call queries the database.
 */
export class Revocations {
  readonly #store: Deps['store']
  readonly #ttlSeconds: number
  readonly #revokedAtMs = new Map<string, number>()
  /** The sessions that other instances revoke. */
  readonly feed: ChangeFeed

  /** @param ttlSeconds the lifetime of an access token; a revocation is kept for that long */
  constructor({ store, clock }: Deps, ttlSeconds: number) {
    this.#store = store
    this.#ttlSeconds = ttlSeconds
    this.feed = new ChangeFeed(clock, ttlSeconds * 1000, (since, now) => this.#read(since, now))
  }

  isRevoked(sessionId: string): boolean {
    return this.#revokedAtMs.has(sessionId)
  }

  /** Adds a session that this instance has revoked, after the transaction has committed. */
  add(sessionId: string, at: Date): void {
    this.#revokedAtMs.set(sessionId, at.getTime())
  }

  async #read(since: Date, now: Date): Promise<void> {
    for (const { id, revokedAt } of await this.#store.sessions.revokedSince(since)) {
      this.add(id, revokedAt)
    }
    const oldestMs = now.getTime() - this.#ttlSeconds * 1000 - OVERLAP_MS
    for (const [id, atMs] of this.#revokedAtMs) {
      if (atMs < oldestMs) this.#revokedAtMs.delete(id)
    }
  }
}
