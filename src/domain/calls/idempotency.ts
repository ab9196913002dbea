import { createHash } from 'node:crypto'
import type { Dependencies } from '../dependencies.ts'
import type { KeptAnswer, KeptCall, KeyName } from '../../store/store.ts'
import type { Joined } from './call.ts'
import { canonicalJson } from '../../lib/canonical-json.ts'
import type { Principal } from '../access/principal.ts'
import { invalidRequest, Problem } from '../problem.ts'
import { retrying } from '../server/database-retry.ts'

/** A call whose process does not say for so long that it lives is taken for dead. */
const LEASE_MS = 20_000
const RENEW_EVERY_MS = 5_000
const KEPT_MS = 86_400_000
/** When to ask again for a call that is still running. */
const RETRY_SECONDS = 1
const LONGEST_KEY = 255

/** What a named call may do. */
export type Turn =
  /** It was answered before. */
  | { kind: 'replay'; answer: KeptAnswer }
  /** It is running, or has given out a stream, under this id. */
  | { kind: 'attach'; to: Joined }
  /** `isRepeat` when its process died in an earlier try. */
  | { kind: 'run'; claim: Claim; isRepeat: boolean }

export type Claim = {
  /** The id that the thing has which the call makes, in this try and in every later one. */
  thingId: string
  /** Keeps the answer, before it is sent. */
  keep(answer: KeptAnswer): Promise<void>
  /** Frees the key of a call that failed, unless something was made by it all the same. */
  release(): Promise<void>
}

export type Idempotency = ReturnType<typeof createIdempotency>

type NamedCall = { caller: Principal; operationId: string; key: string; body: unknown }
type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids'>

/**
 * Calls that their callers have named, so that repeating one does nothing twice. A key is claimed
 * before anything is done, with the id that the thing to be made will have: whoever takes over after
 * a crash tries to make the same thing, and finds it if it was made.
 */
export function createIdempotency({ store, clock, ids }: Deps) {
  const running = new Set<string>()

  const leaseFrom = (now: Date) => new Date(now.getTime() + LEASE_MS)

  const claimOf = (name: KeyName, thingId: string): Claim => {
    running.add(thingId)
    return {
      thingId,
      async keep(answer) {
        const keep = () => store.idempotencyKeys.keep({ ...name, answer })
        // Should it fail for good, the lease ends, and the next try finds what was made.
        await retrying(clock, keep).finally(() => running.delete(thingId))
      },
      async release() {
        running.delete(thingId)
        await store.idempotencyKeys.release({ ...name, now: clock.now() })
      },
    }
  }

  const resume = async (name: KeyName, kept: KeptCall, attaches: boolean): Promise<Turn> => {
    const { thingId: id } = kept
    if (kept.answer && attaches) return { kind: 'attach', to: { id, hasBegun: true } }
    if (kept.answer) return { kind: 'replay', answer: kept.answer }
    const now = clock.now()
    const isAlive = kept.leaseUntil !== undefined && kept.leaseUntil > now
    if (isAlive && attaches) return { kind: 'attach', to: { id, hasBegun: false } }
    const isMine =
      !isAlive &&
      (await store.idempotencyKeys.takeOver({ ...name, now, leaseUntil: leaseFrom(now) }))
    if (isMine) return { kind: 'run', claim: claimOf(name, id), isRepeat: true }
    throw new Problem('idempotency-in-progress', { retryAfterSeconds: RETRY_SECONDS })
  }

  return {
    /**
     * What this call may do, now that it has this name.
     * @param how.attaches a call that is still running is joined rather than refused
     * @param how.refusal why it may do nothing new: it may still go on with what it began before
     * @throws {Problem} idempotency-key-reused, idempotency-in-progress; the refusal
     */
    async begin(
      { caller, operationId, key, body }: NamedCall,
      how: { attaches: boolean; refusal?: Problem },
    ): Promise<Turn> {
      const name = { accountId: caller.id, operationId, key: plainKey(key) }
      const fingerprint = fingerprintOf(body)
      if (!how.refusal) {
        const now = clock.now()
        const claim = { ...name, fingerprint, thingId: ids.next(), now, leaseUntil: leaseFrom(now) }
        const outcome = await store.idempotencyKeys.claim(claim)
        if (outcome === 'claimed') {
          return { kind: 'run', claim: claimOf(name, claim.thingId), isRepeat: false }
        }
      }
      const kept = await store.idempotencyKeys.find(name)
      if (kept && !fingerprint.equals(kept.fingerprint)) {
        throw how.refusal ?? new Problem('idempotency-key-reused')
      }
      // Whatever it was charged for, it was charged for then.
      if (kept) return resume(name, kept, how.attaches)
      // Released between the claim and the look: the caller tries again.
      throw how.refusal ?? new Problem('idempotency-in-progress', { retryAfterSeconds: 1 })
    },

    /** Says that this process lives, until the returned function is called. */
    keepUp: (onError: (error: unknown) => void): (() => void) =>
      clock.every(
        RENEW_EVERY_MS,
        async () => {
          if (running.size === 0) return
          const leaseUntil = leaseFrom(clock.now())
          await store.idempotencyKeys.renew({ thingIds: [...running], leaseUntil })
        },
        onError,
      ),

    /** At the start of an embedded server: whatever was running died with the process before. */
    abandonAll: () => store.idempotencyKeys.abandonAll(clock.now()),

    async prune(): Promise<void> {
      await store.idempotencyKeys.deleteOlderThan(new Date(clock.now().getTime() - KEPT_MS))
    },
  }
}

/** `"k"` and `k` are the same key. @throws {Problem} invalid-request */
function plainKey(header: string): string {
  const quoted = /^"(.*)"$/.exec(header)?.[1]
  const key = quoted === undefined ? header : quoted.replaceAll(/\\(["\\])/g, '$1')
  if (key.length > 0 && key.length <= LONGEST_KEY) return key
  const detail = `must have 1 to ${LONGEST_KEY} characters`
  throw invalidRequest({ in: 'header', pointer: 'Idempotency-Key', code: 'format', detail })
}

function fingerprintOf(body: unknown): Buffer {
  return createHash('sha256')
    .update(canonicalJson(body ?? null))
    .digest()
}
