import type { Clock } from '../../../ports/clock/clock.ts'
import { asObject } from '../../../lib/json.ts'
import { Deadline } from '../connection/deadline.ts'
import { upstreamFailed } from '../connection/upstream-failures.ts'
import { displayModel } from '../model-name.ts'
import { requireJsonObject } from '../response/json-object.ts'

interface Listing {
  readonly model: Promise<string>
  readonly abort: AbortController
  waiting: number
}

interface Lister {
  listModels(signal: AbortSignal): Promise<string>
}

interface Options {
  readonly clock: Pick<Clock, 'wait'>
  readonly idleTimeoutMs: number
}

/**
 * The first model that the upstream lists, for an operator who has named none. Concurrent calls
 * share one request.
 */
export class ListedModel {
  readonly #lister: Lister
  readonly #options: Options
  #known: string | undefined
  #listing: Listing | undefined

  constructor(lister: Lister, options: Options) {
    this.#lister = lister
    this.#options = options
  }

  /** The model, if a list was read before. */
  get known(): string | undefined {
    return this.#known
  }

  /** @throws EngineFailure, and the signal's reason */
  async find(signal: AbortSignal): Promise<string> {
    if (this.#known !== undefined) return this.#known
    signal.throwIfAborted()
    const isAborted = this.#listing?.abort.signal.aborted ?? true
    const listing = isAborted ? this.#list() : this.#listing!
    this.#listing = listing
    return share(listing, signal)
  }

  /**
   * Drops a model that the upstream no longer has, unless another call has listed a new one since.
   */
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
    // The waiting callers get the error; when all have left, it must not become unhandled.
    model.catch(() => undefined)
    return { model, abort, waiting: 0 }
  }
}

/** Waits for the listing until this caller aborts. The last caller to leave aborts the listing. */
async function share(listing: Listing, signal: AbortSignal): Promise<string> {
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

/**
 * The first id of a `GET /models` body that can be shown.
 * @throws EngineFailure when there is none
 */
function readFirstModel(body: string): string {
  const { data } = requireJsonObject(body)
  const ids = Array.isArray(data) ? data.map((entry) => asObject(entry)?.['id']) : []
  const id = ids.find((one) => displayModel(one) !== undefined)
  if (typeof id !== 'string')
    throw upstreamFailed('the upstream lists no model: set CHAT_UPSTREAM_MODEL')
  return id
}
