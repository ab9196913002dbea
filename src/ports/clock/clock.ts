/** Node clamps a longer timer to 1 ms (2^31 - 1). */
const LONGEST_TIMER_MS = 2_147_483_647

/** The time of the program. Tests pass a clock that they advance by hand. */
export interface Clock {
  /** The wall time, for what is stored or shown. */
  now(): Date
  /** Milliseconds that never decrease, to measure how long something takes. */
  monotonicMs(): number
  /**
   * Resolves after `ms` milliseconds.
   * @throws the signal's reason, as soon as it aborts
   * @throws RangeError if `ms` is not between 0 and 2^31 - 1
   */
  wait(ms: number, signal?: AbortSignal): Promise<void>
  /**
   * Runs `run` every `ms` milliseconds until the returned function is called. While a run is in
   * progress, its next turns are skipped. Never keeps the process alive.
   * @param onError gets what `run` throws or rejects with; the default is a process warning
   * @throws RangeError if `ms` is not between 1 and 2^31 - 1
   */
  every(ms: number, run: () => void | Promise<void>, onError?: (error: unknown) => void): () => void
}

/** The clock of the machine; the one place in `src` that reads it. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  wait,
  every(ms, run, onError) {
    assertTimer(ms, 1)
    const timer = setInterval(neverOverlapping(run, onError), ms)
    timer.unref()
    return () => {
      clearInterval(timer)
    }
  },
}

/**
 * A function to call at every turn of an interval: it skips the turn while an earlier run is in
 * progress, and hands failures to `onError`, so that none becomes an unhandled rejection.
 */
export function neverOverlapping(
  run: () => void | Promise<void>,
  onError: (error: unknown) => void = warn,
): () => void {
  let running = false
  return () => {
    if (running) return
    running = true
    void runOnce(run, onError).finally(() => {
      running = false
    })
  }
}

/** @throws RangeError if Node would not wait `ms` milliseconds, or `ms` is less than `leastMs` */
export function assertTimer(ms: number, leastMs: number): void {
  if (ms >= leastMs && ms <= LONGEST_TIMER_MS) return
  throw new RangeError(`A timer takes ${leastMs} to ${LONGEST_TIMER_MS} ms, not ${ms}.`)
}

function wait(ms: number, signal?: AbortSignal): Promise<void> {
  assertTimer(ms, 0)
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(reasonOf(signal))
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, ms)
    const abort = () => {
      clearTimeout(timer)
      reject(reasonOf(signal))
    }
    signal?.addEventListener('abort', abort, { once: true })
  })
}

async function runOnce(
  run: () => void | Promise<void>,
  onError: (error: unknown) => void,
): Promise<void> {
  try {
    await run()
  } catch (error) {
    onError(error)
  }
}

/** A reason may be any value: it is the caller's, and is passed on unchanged. */
function reasonOf(signal: AbortSignal | undefined): Error {
  return signal?.reason as Error
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error))
}
