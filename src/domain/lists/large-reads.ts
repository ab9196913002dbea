import { FairQueue, TurnRefused } from '../../lib/fair-queue.ts'
import type { Principal } from '../access/principal.ts'
import type { Call } from '../calls/call.ts'
import type { Dependencies } from '../dependencies.ts'
import { Problem } from '../problem.ts'

/**
 * The limit that a refusal names. It is no policy of the contract, since it counts nothing over
 * time.
 */
export const EXPORTS_LIMIT = 'exports'
/** Concurrent exports of one caller (CONTRACT: limits). */
const MOST_EXPORTS = 4
const RETRY_SECONDS = 2
/** A list that has waited longer for its turn is refused. */
const LONGEST_WAIT_MS = 10_000
/** A larger page is rendered and serialised in a turn of the event loop of its own. */
const LARGE_PAGE_BYTES = 16_384

const QUEUE = { placesOfLarge: 2, mostOfLarge: 8, largeSize: 65_536, longestQueue: 1_000 }
/**
 * The embedded database answers one query at a time; of the connections to a server, some stay free
 * for other calls.
 */
const PLACES = { embedded: 2, server: 8 }

/** The caller of a read, and its call. */
export type Reader = {
  caller: Principal
  call: Pick<Call, 'hungUp' | 'whenOver'>
}

type Deps = Pick<Dependencies, 'store' | 'clock' | 'eventLoop'>

/**
 * Reads that may be large: pages of text, and exports, which consist of many. A few pages are read
 * at a time, the callers in turn, and each large one is processed in a turn of the event loop of
 * its own, so that a caller that reads much does not make others wait. A place is held while a page
 * is read and not while it is sent: a slow client holds up no other.
 */
export class LargeReads {
  readonly #clock: Deps['clock']
  readonly #eventLoop: Deps['eventLoop']
  readonly #queue: FairQueue
  readonly #exporting = new Map<string, number>()

  constructor({ store, clock, eventLoop }: Deps) {
    this.#clock = clock
    this.#eventLoop = eventLoop
    const places = store.embedded ? PLACES.embedded : PLACES.server
    this.#queue = new FairQueue({ ...QUEUE, places })
  }

  /**
   * Reads one page of a list when it is the caller's turn.
   * @param sizeOf the bytes of text in a page
   * @throws {Problem} export-busy when too many large reads of the caller are in progress;
   *   unavailable
   */
  async list<T>(
    { caller, call }: Reader,
    read: () => Promise<T>,
    sizeOf: (page: T) => number,
  ): Promise<T> {
    const started = new AbortController()
    const signal = () => this.#patience(call, started.signal)
    const work = () => {
      started.abort()
      return read()
    }
    try {
      const page = await this.#queue.run(caller.id, work, { isSteady: false, signal, sizeOf })
      return await this.#yieldIfLarge(page, sizeOf(page))
    } catch (error) {
      if (!(error instanceof TurnRefused)) throw error
      throw error.why === 'busy' ? busy() : new Problem('unavailable', { cause: error })
    } finally {
      started.abort()
    }
  }

  /**
   * Admits an export, which counts as in progress until the call is over.
   * @throws {Problem} export-busy
   */
  startExport({ caller, call }: Reader): void {
    const current = this.#exporting.get(caller.id) ?? 0
    if (current >= MOST_EXPORTS) throw busy()
    this.#exporting.set(caller.id, current + 1)
    call.whenOver(() => {
      this.#endExport(caller.id)
    })
  }

  /**
   * Reads one page of an export in progress, when it is the caller's turn.
   * @throws when the client has hung up
   */
  async page<T>(
    { caller, call }: Reader,
    read: () => Promise<T>,
    sizeOf: (page: T) => number,
  ): Promise<T> {
    const signal = () => call.hungUp
    const page = await this.#queue.run(caller.id, read, { isSteady: true, signal, sizeOf })
    return this.#yieldIfLarge(page, sizeOf(page))
  }

  /** What is in progress, for tests. */
  load() {
    return { ...this.#queue.load(), exporting: this.#exporting.size }
  }

  #endExport(callerId: string): void {
    const remaining = (this.#exporting.get(callerId) ?? 1) - 1
    if (remaining > 0) this.#exporting.set(callerId, remaining)
    else this.#exporting.delete(callerId)
  }

  async #yieldIfLarge<T>(page: T, size: number): Promise<T> {
    if (size > LARGE_PAGE_BYTES) await this.#eventLoop.yield()
    return page
  }

  /** Aborts when the client hangs up, or when it has waited too long for its read to start. */
  #patience(call: Reader['call'], started: AbortSignal): AbortSignal {
    const late = new AbortController()
    void this.#clock.wait(LONGEST_WAIT_MS, AbortSignal.any([call.hungUp, started])).then(
      () => {
        late.abort()
      },
      () => undefined,
    )
    return AbortSignal.any([call.hungUp, late.signal])
  }
}

/** The size of texts in bytes. */
export function bytesOf(texts: readonly (string | undefined)[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ''), 0)
}

function busy(): Problem {
  return new Problem('export-busy', {
    violatedPolicies: [EXPORTS_LIMIT],
    retryAfterSeconds: RETRY_SECONDS,
  })
}
