/** More hashes are waiting than the server will get to in good time. */
export class HashQueueFull extends Error {
  override readonly name = 'HashQueueFull'
  /** Whole seconds after which the queue should have emptied, at least 1. */
  readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number) {
    super('Too many passwords are waiting to be checked.')
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/**
 * Runs work a few at a time, first come first served.
 * @returns `inTurn`, which throws HashQueueFull once `maxWaiting` wait, and the signal's reason if that
 *   aborts before the work has begun; and how much there is to do
 */
export function createHashQueue(limits: {
  concurrency: number
  maxWaiting: number
  /** What one piece of work takes, in milliseconds; only for the advice to come back later. */
  estimatedMs: number
}) {
  const waiting: (() => void)[] = []
  let running = 0

  const turn = async (signal: AbortSignal | undefined): Promise<void> => {
    signal?.throwIfAborted()
    if (running < limits.concurrency) {
      running += 1
      return
    }
    if (waiting.length >= limits.maxWaiting) throw new HashQueueFull(retryAfterSeconds(limits))
    await new Promise<void>((resolve, reject) => {
      const giveUp = () => {
        waiting.splice(waiting.indexOf(begin), 1)
        reject(signal?.reason as Error)
      }
      const begin = () => {
        signal?.removeEventListener('abort', giveUp)
        resolve()
      }
      waiting.push(begin)
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  }
  /** The place goes straight to the next in line, so that nobody can slip in between. */
  const pass = (): void => {
    const next = waiting.shift()
    if (next) return next()
    running -= 1
  }

  return {
    async inTurn<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
      await turn(signal)
      try {
        return await work()
      } finally {
        pass()
      }
    },
    load: () => ({ running, waiting: waiting.length }),
  }
}

function retryAfterSeconds(limits: {
  concurrency: number
  maxWaiting: number
  estimatedMs: number
}): number {
  const ahead = limits.maxWaiting + limits.concurrency
  return Math.max(1, Math.ceil((ahead * limits.estimatedMs) / limits.concurrency / 1000))
}
