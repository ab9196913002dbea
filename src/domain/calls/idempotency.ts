import { createHash } from 'node:crypto'
import type { Dependencies } from '../dependencies.ts'
import type { KeptReply, KeptCall, KeyName } from '../../store/store.ts'
import type { JoinedGeneration } from './call.ts'
import { canonicalJson } from '../../lib/canonical-json.ts'
import type { Principal } from '../access/principal.ts'
import { invalidRequest, Problem } from '../problem.ts'
import { retrying } from '../server/database-retry.ts'

/** A call counts as abandoned when its process has not renewed the lease for this long. */
const LEASE_MS = 20_000
const RENEW_EVERY_MS = 5_000
const KEPT_MS = 86_400_000
/** When to retry a call that is still in progress. */
const RETRY_SECONDS = 1
const LONGEST_KEY = 255

/** What a call may do, given its key. */
export type KeyOutcome =
  /** An earlier call was answered: send its reply again. */
  | { kind: 'replay'; reply: KeptReply }
  /** An earlier call is streaming, or has streamed: join its generation. */
  | { kind: 'join'; generation: JoinedGeneration }
  /** Run the operation. `isRetry` when the process of an earlier attempt has died. */
  | { kind: 'run'; claim: KeyClaim; isRetry: boolean }

/** The right to run the operation under a key, until the reply is kept or the key released. */
export type KeyClaim = {
  /** The id for the resource that the call creates: the same in every attempt. */
  resourceId: string
  /** Stores the reply, before it is sent. */
  keep(reply: KeptReply): Promise<void>
  /** Frees the key of a call that failed, unless the call created its resource all the same. */
  release(): Promise<void>
}

/** A call with an `Idempotency-Key`. */
export type KeyedCall = { caller: Principal; operationId: string; key: string; body: unknown }

export type ClaimOptions = {
  /** Joins the stream of a call that is still in progress, instead of refusing. */
  joinsStreams: boolean
  /** Why the call may not run anew; it may still continue what an earlier attempt began. */
  refusal?: Problem
}

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids'>

/**
 * Calls with an `Idempotency-Key`: repeating one does nothing twice. A key is claimed before the
 * operation runs, together with the id for the resource to create: an attempt after a crash creates
 * the same resource, or finds it.
 */
export class Idempotency {
  readonly #deps: Deps
  /** The resources of the calls that this process runs: their leases are renewed. */
  readonly #running = new Set<string>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Claims the key, or finds out what an earlier call did with it.
   * @throws {Problem} idempotency-key-reused, idempotency-in-progress, invalid-request; the refusal
   */
  async claim(call: KeyedCall, { joinsStreams, refusal }: ClaimOptions): Promise<KeyOutcome> {
    const { caller, operationId, body } = call
    const name = { accountId: caller.id, operationId, key: plainKey(call.key) }
    const fingerprint = fingerprintOf(body)
    const claim = refusal ? undefined : await this.#claimAnew(name, fingerprint)
    if (claim) return { kind: 'run', claim, isRetry: false }
    const kept = await this.#deps.store.idempotencyKeys.find(name)
    if (kept && !fingerprint.equals(kept.fingerprint)) {
      throw refusal ?? new Problem('idempotency-key-reused')
    }
    // The refusal does not matter any more: the first attempt was charged.
    if (kept) return this.#resume(name, kept, joinsStreams)
    // Released between the claim and the look.
    throw refusal ?? inProgress()
  }

  /** Renews the leases of this process's calls, until the returned function is called. */
  keepUp(onError: (error: unknown) => void): () => void {
    const { store, clock } = this.#deps
    const renew = async () => {
      if (this.#running.size === 0) return
      const leaseUntil = leaseFrom(clock.now())
      await store.idempotencyKeys.renew({ resourceIds: [...this.#running], leaseUntil })
    }
    return clock.every(RENEW_EVERY_MS, renew, onError)
  }

  /** At the start of an embedded server: the calls of the process before it are abandoned. */
  async abandonAll(): Promise<void> {
    const { store, clock } = this.#deps
    await store.idempotencyKeys.abandonAll(clock.now())
  }

  /** Deletes the keys that are older than a day. */
  async prune(): Promise<void> {
    const { store, clock } = this.#deps
    await store.idempotencyKeys.deleteOlderThan(new Date(clock.now().getTime() - KEPT_MS))
  }

  async #claimAnew(name: KeyName, fingerprint: Buffer): Promise<KeyClaim | undefined> {
    const { store, clock, ids } = this.#deps
    const [now, resourceId] = [clock.now(), ids.next()]
    const claim = { ...name, fingerprint, resourceId, now, leaseUntil: leaseFrom(now) }
    const outcome = await store.idempotencyKeys.claim(claim)
    return outcome === 'claimed' ? this.#hold(name, resourceId) : undefined
  }

  /** What remains to do of a call that an earlier attempt began. */
  async #resume(name: KeyName, kept: KeptCall, joinsStreams: boolean): Promise<KeyOutcome> {
    const { store, clock } = this.#deps
    const { resourceId: id, reply, leaseUntil } = kept
    if (reply && joinsStreams) return { kind: 'join', generation: { id, hasBegun: true } }
    if (reply) return { kind: 'replay', reply }
    const now = clock.now()
    const isAlive = leaseUntil !== undefined && leaseUntil > now
    if (isAlive && joinsStreams) return { kind: 'join', generation: { id, hasBegun: false } }
    if (isAlive) throw inProgress()
    const takeOver = { ...name, now, leaseUntil: leaseFrom(now) }
    if (!(await store.idempotencyKeys.takeOver(takeOver))) throw inProgress()
    return { kind: 'run', claim: this.#hold(name, id), isRetry: true }
  }

  #hold(name: KeyName, resourceId: string): KeyClaim {
    const { store, clock } = this.#deps
    this.#running.add(resourceId)
    return {
      resourceId,
      keep: async (reply) => {
        const keep = () => store.idempotencyKeys.keep({ ...name, reply })
        // If every attempt fails, the lease expires, and the next call finds what was created.
        await retrying(clock, keep).finally(() => this.#running.delete(resourceId))
      },
      release: async () => {
        this.#running.delete(resourceId)
        await store.idempotencyKeys.release({ ...name, now: clock.now() })
      },
    }
  }
}

function leaseFrom(now: Date): Date {
  return new Date(now.getTime() + LEASE_MS)
}

function inProgress(): Problem {
  return new Problem('idempotency-in-progress', { retryAfterSeconds: RETRY_SECONDS })
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
