import type { Dependencies } from '../dependencies.ts'

const PING_EVERY_MS = 5_000
/**
 * The longest time between two pings. An outage between them leaves an instance that was alive
 * before it enough of a lease to renew it, although a statement that was on its way takes 8 s to
 * fail.
 */
const LONGEST_GAP_MS = 11_000

/**
 * Whether an expired lease means that its holder has died. While the database is unavailable no
 * lease can be renewed, and the first instance to return may not be its holder: only an instance
 * that has reached the database for the length of a lease, without a gap, knows that others have
 * failed to renew. A start counts as a gap.
 */
export class Reachability {
  readonly #store: Dependencies['store']
  readonly #clock: Dependencies['clock']
  readonly #leaseMs: number
  #sinceMs: number
  #lastMs: number

  /** @param leaseMs the duration of a lease that is not renewed */
  constructor({ store, clock }: Pick<Dependencies, 'store' | 'clock'>, leaseMs: number) {
    this.#store = store
    this.#clock = clock
    this.#leaseMs = leaseMs
    this.#sinceMs = clock.now().getTime()
    this.#lastMs = this.#sinceMs
  }

  /** Pings the database until the returned function is called. */
  keepUp(onError: (error: unknown) => void): () => void {
    return this.#clock.every(PING_EVERY_MS, () => this.#ping(), onError)
  }

  /** Whether a lease that has expired now was abandoned. */
  canJudge(): boolean {
    // An embedded database serves one process: no other can hold a lease.
    if (this.#store.embedded) return true
    const nowMs = this.#clock.now().getTime()
    return !this.#isGap(nowMs) && nowMs - this.#sinceMs >= this.#leaseMs
  }

  async #ping(): Promise<void> {
    try {
      await this.#store.ping()
    } catch (error) {
      this.#sinceMs = Infinity
      throw error
    }
    const nowMs = this.#clock.now().getTime()
    if (this.#sinceMs === Infinity || this.#isGap(nowMs)) this.#sinceMs = nowMs
    this.#lastMs = nowMs
  }

  /** A machine that has slept has noticed nothing in the meantime, and a clock may be set back. */
  #isGap(nowMs: number): boolean {
    return nowMs < this.#lastMs || nowMs - this.#lastMs > LONGEST_GAP_MS
  }
}
