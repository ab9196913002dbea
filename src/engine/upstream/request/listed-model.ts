import type { Clock } from '../../../ports/clock/clock.ts'
import { readFirstModel } from '../response/completion-chunk.ts'
import { Deadline } from '../connection/deadline.ts'

interface Listing {
  readonly model: Promise<string>
  readonly abort: AbortController
  waiting: number
}

interface Lister {
  listModels(signal: AbortSignal): Promise<string>
}

/**
 * The model to ask for: the one that was named, or else the first that the upstream lists. However
 * many want to know it at a moment, the upstream is asked once.
 */
export class ListedModel {
  readonly #lister: Lister
  readonly #options: { readonly clock: Pick<Clock, 'wait'>; readonly idleTimeoutMs: number }
  #known: string | undefined
  #listing: Listing | undefined

  constructor(
    lister: Lister,
    options: { readonly clock: Pick<Clock, 'wait'>; readonly idleTimeoutMs: number },
  ) {
    this.#lister = lister
    this.#options = options
  }

  /** As far as it is known without asking. */
  get known(): string | undefined {
    return this.#known
  }

  /** @throws EngineFailure, and the reason of the signal */
  async find(signal: AbortSignal): Promise<string> {
    if (this.#known !== undefined) return this.#known
    signal.throwIfAborted()
    const isLeft = this.#listing?.abort.signal.aborted ?? true
    const listing = isLeft ? this.#list() : this.#listing!
    this.#listing = listing
    return shared(listing, signal)
  }

  /** The upstream does not have it any more. What another call has listed since stays. */
  forget(model: string): void {
    if (this.#known === model) this.#known = undefined
  }

  #list(): Listing {
    const abort = new AbortController()
    const { clock, idleTimeoutMs } = this.#options
    const deadline = new Deadline(clock, idleTimeoutMs, abort.signal)
    const work = deadline.within(() => this.#lister.listModels(deadline.signal))
    const model = work
      .then((body) => {
        this.#known = readFirstModel(body)
        return this.#known
      })
      .finally(() => {
        deadline.end()
        if (this.#listing?.abort === abort) this.#listing = undefined
      })
    // Whoever waits hears of a failure; when the last one has left, nobody has to.
    model.catch(() => undefined)
    return { model, abort, waiting: 0 }
  }
}

/** What the listing finds, unless this caller leaves first; the last to leave takes the listing along. */
async function shared(listing: Listing, signal: AbortSignal): Promise<string> {
  listing.waiting += 1
  let leave = () => {}
  const left = new Promise<never>((_, reject) => {
    leave = () => {
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', leave, { once: true })
  })
  try {
    return await Promise.race([listing.model, left])
  } finally {
    signal.removeEventListener('abort', leave)
    listing.waiting -= 1
    if (listing.waiting === 0) listing.abort.abort(signal.reason)
  }
}
