import type { Clock } from '../clock/clock.ts'
import { type Counter, type Limiter, LimiterUnavailable } from './limiter.ts'
import { inTime, TooSlow } from '../clock/in-time.ts'
import type { Log } from '../observability/log.ts'
import type { SharedLimiter } from './shared.ts'

/** A call waits so long for the store at most. */
const PATIENCE_MS = 300
/** While the store is away no call waits for it: it is asked this often whether it is back. */
const PROBE_EVERY_MS = 1_000
const RETRY_AFTER_SECONDS = 2

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
  let told: string | undefined

  const turnAway = (error: unknown): void => {
    if (stopProbing) return
    told = shared.explain(error)?.sentence
    const reason = told !== undefined && { reason: told }
    log.error({ err: error, ...reason }, 'limit store unavailable: each process counts on its own')
    if (error instanceof TooSlow) shared.reconnect()
    stopProbing = clock.every(PROBE_EVERY_MS, probe)
  }
  /** What came back as something else (a replica, say) stays away until somebody is told. */
  const tellIfNew = (error: unknown): void => {
    const fault = shared.explain(error)
    if (!fault || fault.passing || fault.sentence === told) return
    told = fault.sentence
    log.error({ reason: told }, 'limit store still unavailable')
  }
  const probe = async (): Promise<void> => {
    try {
      await inTime(shared.check(), PATIENCE_MS, clock)
    } catch (error) {
      if (error instanceof TooSlow) shared.reconnect()
      tellIfNew(error)
      return
    }
    stopProbing?.()
    stopProbing = undefined
    log.warn('limit store available again')
  }
  /** Asks the store, and `otherwise` if it is away or turns out to be. */
  const ask = async <T>(work: () => Promise<T>, otherwise: () => Promise<T>): Promise<T> => {
    if (stopProbing) return otherwise()
    try {
      return await inTime(work(), PATIENCE_MS, clock)
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
