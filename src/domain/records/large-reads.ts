import type { Dependencies } from '../dependencies.ts'
import type { Call } from '../calls/call.ts'
import { FairQueue, TurnRefused } from '../../lib/fair-queue.ts'
import type { Principal } from '../principal.ts'
import { Problem } from '../problem.ts'

/** What a refusal names: it is no policy of the contract, for it counts nothing over time. */
export const EXPORTS_LIMIT = 'exports'
/** Exports of one caller at once (CONTRACT: limits). */
const MOST_EXPORTS = 4
/** When a caller may try again. */
const RETRY_SECONDS = 2
/** A list that waits longer for its turn is refused. */
const LONGEST_WAIT_MS = 10_000
/** Bytes. A page with more text is a piece of work of its own for those who show and write it. */
const PIECE_BYTES = 16_384

const QUEUE = { placesOfLarge: 2, mostOfLarge: 8, largeSize: 65_536, longestQueue: 1_000 }
/** The embedded database answers one at a time; of the connections to a server, some are left over. */
const PLACES = { embedded: 2, server: 8 }

/** Who reads, and in which call. */
export type Reader = {
  caller: Principal
  call: Pick<Call, 'hungUp' | 'whenOver'>
}

export type LargeReads = ReturnType<typeof createLargeReads>

type Deps = Pick<Dependencies, 'store' | 'clock' | 'eventLoop'>

/**
 * Reading what may be large: pages of text, and exports, which are many of them. A few pages are read
 * at a time, of one caller after the other, and what is then done with a large one is done in a turn
 * of the event loop of its own: nobody who asks for much makes others wait for it. A place is held
 * while a page is read, never while somebody takes it: whoever reads slowly holds up nobody.
 */
export function createLargeReads({ store, clock, eventLoop }: Deps) {
  const places = store.embedded ? PLACES.embedded : PLACES.server
  const queue = new FairQueue({ ...QUEUE, places })
  const exporting = new Map<string, number>()

  const afterIts = async <T>(page: T, size: number): Promise<T> => {
    if (size > PIECE_BYTES) await eventLoop.yield()
    return page
  }

  /** Aborts when the client hangs up, or when it has waited for long enough. */
  const patience = (call: Reader['call'], served: AbortSignal): AbortSignal => {
    const late = new AbortController()
    void clock.wait(LONGEST_WAIT_MS, AbortSignal.any([call.hungUp, served])).then(
      () => {
        late.abort()
      },
      () => undefined,
    )
    return AbortSignal.any([call.hungUp, late.signal])
  }

  return {
    /**
     * Reads one page of a list when its turn comes.
     * @param sizeOf how many bytes of text it turned out to hold
     * @throws {Problem} export-busy when too many large ones of the caller are under way; unavailable
     */
    async list<T>(
      { caller, call }: Reader,
      read: () => Promise<T>,
      sizeOf: (page: T) => number,
    ): Promise<T> {
      const served = new AbortController()
      const signal = () => patience(call, served.signal)
      const work = () => {
        served.abort()
        return read()
      }
      try {
        const page = await queue.run(caller.id, work, { isSteady: false, signal, sizeOf })
        return await afterIts(page, sizeOf(page))
      } catch (error) {
        if (!(error instanceof TurnRefused)) throw error
        throw error.why === 'busy' ? busy() : new Problem('unavailable', { cause: error })
      } finally {
        served.abort()
      }
    },

    /** Lets an export begin; it holds its place until the call is over. @throws {Problem} export-busy */
    beginExport({ caller, call }: Reader): void {
      const now = exporting.get(caller.id) ?? 0
      if (now >= MOST_EXPORTS) throw busy()
      exporting.set(caller.id, now + 1)
      call.whenOver(() => {
        const left = (exporting.get(caller.id) ?? 1) - 1
        if (left > 0) exporting.set(caller.id, left)
        else exporting.delete(caller.id)
      })
    },

    /** Reads one page of an export that has begun, when its turn comes. @throws when the reader is gone */
    async page<T>(
      { caller, call }: Reader,
      read: () => Promise<T>,
      sizeOf: (page: T) => number,
    ): Promise<T> {
      const signal = () => call.hungUp
      const page = await queue.run(caller.id, read, { isSteady: true, signal, sizeOf })
      return afterIts(page, sizeOf(page))
    },

    /** What is under way. */
    load: () => ({ ...queue.load(), exporting: exporting.size }),
  }
}

/** How many bytes texts hold. */
export function bytesOf(texts: readonly (string | undefined)[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ''), 0)
}

function busy(): Problem {
  return new Problem('export-busy', {
    violatedPolicies: [EXPORTS_LIMIT],
    retryAfterSeconds: RETRY_SECONDS,
  })
}
