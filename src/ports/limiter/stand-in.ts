import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { type Counter, type Limiter, LimiterUnavailable } from '../limiter.ts'
import type { Log } from '../log.ts'
import type { SharedLimiter } from './shared.ts'

/** A call waits so long for the store at most. */
const PATIENCE_MS = 300
/** While the store is away no call waits for it: it is asked this often whether it is back. */
const PROBE_EVERY_MS = 1_000
const RETRY_AFTER_SECONDS = 2

class TooSlow extends Error {
  override readonly name = 'TooSlow'
}

/**
 * Counts in the shared store, and in this process while that is away. One failure is enough to turn
 * away from it; one probe that counts is enough to turn back.
 * @param local counts in the meantime; what it counted stays for the next time
 */
export function withStandIn(
  shared: SharedLimiter,
  local: Limiter,
  { clock, log }: { clock: Clock; log: Log },
): Limiter {
  let stopProbing: (() => void) | undefined

  const turnAway = (error: unknown): void => {
    if (stopProbing) return
    log.error({ err: error }, 'limit store away: each process counts for itself')
    if (error instanceof TooSlow) shared.reconnect()
    stopProbing = clock.every(PROBE_EVERY_MS, probe)
  }
  const probe = async (): Promise<void> => {
    try {
      await within(clock, shared.check())
    } catch (error) {
      if (error instanceof TooSlow) shared.reconnect()
      return
    }
    stopProbing?.()
    stopProbing = undefined
    log.warn('limit store back')
  }
  /** Asks the store, and `otherwise` if it is away or turns out to be. */
  const ask = async <T>(work: () => Promise<T>, otherwise: () => Promise<T>): Promise<T> => {
    if (stopProbing) return otherwise()
    try {
      return await within(clock, work())
    } catch (error) {
      turnAway(error)
      return otherwise()
    }
  }
  const refuse = () => Promise.reject(new LimiterUnavailable(RETRY_AFTER_SECONDS))

  return {
    take(counters, { whenDown = 'local' } = {}) {
      const otherwise = whenDown === 'refuse' ? refuse : () => local.take(counters)
      return ask(() => shared.take(counters), otherwise)
    },
    giveBack: (counter: Counter) =>
      ask(
        () => shared.giveBack(counter),
        () => local.giveBack(counter),
      ),
    clear: (counter: Counter) =>
      ask(
        () => shared.clear(counter),
        () => local.clear(counter),
      ),
    peek: (counters) =>
      ask(
        () => shared.peek(counters),
        () => local.peek(counters),
      ),
    check: () =>
      ask<'up' | 'down'>(
        () => shared.check(),
        () => Promise.resolve('down'),
      ),
    async prune() {
      if (!stopProbing) await shared.prune()
    },
    async close() {
      stopProbing?.()
      await shared.close()
    },
  }
}

/** @throws TooSlow if `work` takes longer than a call may wait */
async function within<T>(clock: Clock, work: Promise<T>): Promise<T> {
  const over = new AbortController()
  // After a long turn of our own the timer comes before the answer that has been there for long:
  // the next turn has read it.
  const late = clock.wait(PATIENCE_MS, over.signal).then(
    () => nextTurn(TOO_LATE),
    () => TOO_LATE,
  )
  try {
    const first = await Promise.race([work, late])
    if (first === TOO_LATE) throw new TooSlow(`No answer within ${PATIENCE_MS} ms`)
    return first as T
  } finally {
    over.abort()
  }
}
const TOO_LATE = Symbol('too late')
