import { timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Dependencies } from '../dependencies.ts'
import type { HeldApiKey } from '../../store/store.ts'
import type { Call } from '../calls/call.ts'
import { type ChangeFeed, createChangeFeed, OVERLAP_MS } from '../access/change-feed.ts'
import type { Limits } from '../limits/limits.ts'
import type { Principal } from '../access/principal.ts'
import { Problem } from '../problem.ts'
import { knownScopes } from '../access/scopes.ts'
import { trySecret } from './sign-in-attempts.ts'
import type { Standing } from '../access/account-status.ts'

const CACHED_KEYS = 10_000
/** A key that was read is believed for so long, unless it is heard that it changed. */
export const KEY_BELIEVED_SECONDS = 300
/** Uses are written so often, so that `lastUsedAt` costs no call anything. */
const WRITE_USES_EVERY_MS = 30_000

export type ApiKeyCredentials = ChangeFeed & {
  /** Who shows this key. @throws {Problem} token-invalid, token-expired */
  principalOf(key: string, call: Call): Promise<Principal>
  /** Notes that this instance has just revoked or rotated a key, after the database has it. */
  note(keyId: string, at: Date): void
  /** Whether a key that was shown before may still be used. */
  isAlive(keyId: string): Promise<boolean>
  /** Writes down when keys were last used. */
  writeUses(): Promise<void>
  /** Does so every half minute until the returned function is called. */
  followUses(onError: (error: unknown) => void): () => void
}

type Known = { key: HeldApiKey; readAtMs: number }
type Deps = Pick<Dependencies, 'store' | 'clock' | 'apiKeys'> & {
  limits: Limits
  standing: Standing
}

/**
 * Checks API keys. A key is read from the database once and then known by its hash, until it is
 * changed here or heard to have changed elsewhere.
 */
export function createApiKeyCredentials(deps: Deps): ApiKeyCredentials {
  const { store, clock, apiKeys, limits, standing } = deps
  const known = new LRUCache<string, Known>({ max: CACHED_KEYS })
  const changes = new Map<string, { at: number; noticedAtMs: number }>()
  const usedAt = new Map<string, Date>()

  const note = (keyId: string, at: Date): void => {
    if (changes.get(keyId)?.at === at.getTime()) return
    changes.set(keyId, { at: at.getTime(), noticedAtMs: clock.monotonicMs() })
  }
  /** A reading that was under way when the change was heard may have missed it. */
  const isFresh = ({ key, readAtMs }: Known): boolean => {
    if (clock.monotonicMs() - readAtMs > KEY_BELIEVED_SECONDS * 1000) return false
    const noticed = [changes.get(key.id)?.noticedAtMs, standing.noticedAtMs(key.accountId)]
    return noticed.every((atMs) => atMs === undefined || readAtMs > atMs)
  }

  const read = async (publicId: string, hash: Buffer): Promise<Known | undefined> => {
    const readAtMs = clock.monotonicMs()
    const key = await store.apiKeys.findHeld(publicId)
    return key && timingSafeEqual(key.hash, hash) ? { key, readAtMs } : undefined
  }

  const find = async (secret: string, call: Call): Promise<HeldApiKey> => {
    const publicId = apiKeys.read(secret)
    const hash = apiKeys.hash(secret)
    const name = hash.toString('base64')
    const before = known.get(name)
    if (before && isFresh(before)) return before.key
    const check = async () => (publicId === undefined ? undefined : read(publicId, hash))
    const found = await trySecret(limits, call, check)
    if (!found) throw new Problem('token-invalid')
    known.set(name, found)
    return found.key
  }

  const feed = createChangeFeed(clock, KEY_BELIEVED_SECONDS * 1000, async (since) => {
    for (const { id, changedAt } of await store.apiKeys.changedSince(since)) note(id, changedAt)
    const oldest = clock.monotonicMs() - KEY_BELIEVED_SECONDS * 1000 - 2 * OVERLAP_MS
    for (const [id, { noticedAtMs }] of changes) if (noticedAtMs < oldest) changes.delete(id)
  })

  const writeUses = async (): Promise<void> => {
    const uses = [...usedAt].map(([id, at]) => ({ id, at }))
    usedAt.clear()
    if (uses.length > 0) await store.apiKeys.touch(uses)
  }

  return {
    ...feed,
    note,
    writeUses,
    followUses: (onError) => clock.every(WRITE_USES_EVERY_MS, writeUses, onError),

    async isAlive(keyId) {
      return !changes.has(keyId) || store.apiKeys.isAlive({ id: keyId, now: clock.now() })
    },

    async principalOf(secret, call) {
      const key = await find(secret, call)
      const now = clock.now()
      if (key.revokedAt) throw new Problem('token-invalid')
      if (isOver(key.expiresAt, now) || isOver(key.overlapEndsAt, now)) {
        throw new Problem('token-expired')
      }
      if (key.account.disabled) throw new Problem('account-disabled')
      usedAt.set(key.id, now)
      return {
        id: key.accountId,
        apiKeyId: key.id,
        role: key.account.role,
        scopes: knownScopes(key.account.scopes),
      }
    },
  }
}

function isOver(end: Date | undefined, now: Date): boolean {
  return end !== undefined && end <= now
}
