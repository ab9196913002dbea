/** More hashes wait than the server gets to in good time. */
export class HashQueueFull extends Error {
  override readonly name = 'HashQueueFull'
  /** Whole seconds after which the queue should have emptied, at least 1. */
  readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number) {
    super('Too many passwords are waiting to be checked.')
    this.retryAfterSeconds = retryAfterSeconds
  }
}

type HashQueueLimits = {
  concurrency: number
  maxWaiting: number
  /** What one piece of work takes, in milliseconds; only for the advice when to retry. */
  estimatedMs: number
}

/** Runs a few pieces of work at a time, first come first served. */
export class HashQueue {
  readonly #limits: HashQueueLimits
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(limits: HashQueueLimits) {
    this.#limits = limits
  }

  /**
   * Runs the work in its turn.
   * @param signal ends the waiting
   * @throws HashQueueFull if `maxWaiting` wait already; the signal's reason if it aborts before the
   *   work starts; what the work throws
   */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#takePlace(signal)
    try {
      return await work()
    } finally {
      this.#passPlace()
    }
  }

  /** How many pieces run, and how many wait. */
  load(): { running: number; waiting: number } {
    return { running: this.#running, waiting: this.#waiting.length }
  }

  async #takePlace(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (this.#running < this.#limits.concurrency) {
      this.#running += 1
      return
    }
    if (this.#waiting.length >= this.#limits.maxWaiting) {
      throw new HashQueueFull(retryAfterSeconds(this.#limits))
    }
    await new Promise<void>((resolve, reject) => {
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(start), 1)
        reject(signal?.reason as Error)
      }
      const start = () => {
        signal?.removeEventListener('abort', giveUp)
        resolve()
      }
      this.#waiting.push(start)
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** The place goes straight to the next in line, so that no later call takes it. */
  #passPlace(): void {
    const next = this.#waiting.shift()
    if (next) return next()
    this.#running -= 1
  }
}

function retryAfterSeconds({ concurrency, maxWaiting, estimatedMs }: HashQueueLimits): number {
  const ahead = maxWaiting + concurrency
  return Math.max(1, Math.ceil((ahead * estimatedMs) / concurrency / 1000))
}
