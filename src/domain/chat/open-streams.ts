import type { Dependencies } from '../dependencies.ts'
import type { Call } from '../calls/call.ts'
import type { Principal } from '../access/principal.ts'
import { Problem } from '../problem.ts'

/** The policy that a refusal names. The contract does not list it: it counts nothing over time. */
export const STREAMS_LIMIT = 'streams'
/** When a caller may retry: streams end when their answers do. */
const RETRY_SECONDS = 5
/** How long a place is held without a renewal; then its instance counts as dead, and the place is free. */
const LEASE_MS = 30_000
const RENEW_EVERY_MS = 10_000
/** How long a lapsed place is stored: an instance that could not reach the database may still renew it. */
const FORGET_AFTER_MS = 3_600_000

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids'>
type StreamCall = Pick<Call, 'whenOver'>

/**
 * Limits how many streams each caller has open. An embedded server counts in memory; several instances
 * count together in the database, with one row for each stream.
 */
export class OpenStreams {
  readonly #deps: Deps
  readonly #most: number
  /** Open streams of this instance, by account. */
  readonly #here = new Map<string, number>()
  /** This instance's rows in the database. */
  readonly #places = new Set<string>()

  /** @param most streams that one caller may have open */
  constructor(deps: Deps, most: number) {
    this.#deps = deps
    this.#most = most
  }

  /** Takes a place until the call is over. @throws {Problem} too-many-streams */
  async take(caller: Principal, call: StreamCall): Promise<void> {
    this.#takeHere(caller, call)
    if (!this.#deps.store.embedded) await this.#takeShared(caller, call)
  }

  /** How many are open on this instance. */
  count(): number {
    return [...this.#here.values()].reduce((sum, open) => sum + open, 0)
  }

  /** Renews this instance's places until the returned function is called. */
  keepUp(onError: (error: unknown) => void): () => void {
    return this.#deps.clock.every(RENEW_EVERY_MS, () => this.#renew(), onError)
  }

  /** Deletes the places of instances that died. */
  async prune(): Promise<void> {
    const { store, clock } = this.#deps
    const overBefore = new Date(clock.now().getTime() - FORGET_AFTER_MS)
    if (!store.embedded) await store.openStreams.deleteExpired(overBefore)
  }

  #takeHere({ id }: Principal, call: StreamCall): void {
    const open = this.#here.get(id) ?? 0
    if (open >= this.#most) throw tooManyStreams()
    this.#here.set(id, open + 1)
    call.whenOver(() => {
      const left = (this.#here.get(id) ?? 1) - 1
      if (left > 0) this.#here.set(id, left)
      else this.#here.delete(id)
    })
  }

  async #takeShared(caller: Principal, call: StreamCall): Promise<void> {
    const { store, clock, ids } = this.#deps
    const id = ids.next()
    const now = clock.now()
    const place = { id, accountId: caller.id, most: this.#most, now, until: this.#leaseEnd() }
    const isTaken = await store.atomically((nouns) => nouns.openStreams.take(place))
    if (!isTaken) throw tooManyStreams()
    this.#places.add(id)
    call.whenOver(() => {
      this.#places.delete(id)
      // If the database is unavailable, the lease frees the place.
      store.openStreams.release(id).catch(() => undefined)
    })
  }

  async #renew(): Promise<void> {
    if (this.#places.size === 0) return
    await this.#deps.store.openStreams.renew({ ids: [...this.#places], until: this.#leaseEnd() })
  }

  #leaseEnd(): Date {
    return new Date(this.#deps.clock.now().getTime() + LEASE_MS)
  }
}

function tooManyStreams(): Problem {
  return new Problem('too-many-streams', {
    violatedPolicies: [STREAMS_LIMIT],
    retryAfterSeconds: RETRY_SECONDS,
  })
}
