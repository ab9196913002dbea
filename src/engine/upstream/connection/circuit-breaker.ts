import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  isBrokenCircuitError,
} from 'cockatiel'
import type { Clock } from '../../../ports/clock/clock.ts'
import { EngineFailure } from '../../engine.ts'

/** So many failed calls in a row open the circuit; each has had its own tries. */
const FAILURES_IN_A_ROW = 5
/** How long nobody is asked then; after it one call is let through to see. */
const OPEN_MS = 15_000
/** What is told to those who come while that one call is on its way. */
const PROBE_RETRY_SECONDS = 2

/**
 * Keeps calls from an upstream that does not answer: they fail at once instead of waiting, and the
 * upstream gets the peace to recover.
 */
export class CircuitBreaker {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #policy: CircuitBreakerPolicy
  #openUntilMs = 0

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
    this.#policy = circuitBreaker(
      handleWhen((error) => this.#counts(error)),
      { breaker: new ConsecutiveBreaker(FAILURES_IN_A_ROW), halfOpenAfter: this.#pause() },
    )
  }

  /** Whether the upstream is given up for the moment: open, or half open with its result unknown. */
  get isBroken(): boolean {
    return this.#policy.state !== CircuitState.Closed
  }

  /**
   * Runs `work`, unless the circuit is open.
   * @throws EngineFailure upstream-failed with `retryAfterSeconds`, at once, when it is open
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    // The library would let others wait for the one that is let through, deaf to their abort.
    if (this.#policy.state === CircuitState.HalfOpen) throw broken(PROBE_RETRY_SECONDS)
    try {
      return await this.#policy.execute(work)
    } catch (error) {
      if (!isBrokenCircuitError(error)) throw error
      throw broken((this.#openUntilMs - this.#clock.monotonicMs()) / 1_000)
    }
  }

  /** A call that was given up by its caller says nothing; while half open it must not close the circuit. */
  #counts(error: Error): boolean {
    if (error instanceof EngineFailure) return !error.isOfRequest
    return this.#policy.state === CircuitState.HalfOpen
  }

  /**
   * The library compares the wall clock with a duration that it reads each time: one that is endless
   * until our clock says otherwise makes ours the only clock.
   */
  #pause() {
    const isOver = () => this.#clock.monotonicMs() >= this.#openUntilMs
    const pause = {
      get duration() {
        return isOver() ? -Infinity : Infinity
      },
      next: ({ result }: { result: object }) => {
        // After a call that was given up the next one may see at once.
        const error = 'error' in result ? result.error : undefined
        if (error instanceof EngineFailure) this.#openUntilMs = this.#clock.monotonicMs() + OPEN_MS
        return pause
      },
    }
    return pause
  }
}

function broken(retryAfterSeconds: number): EngineFailure {
  return new EngineFailure('upstream-failed', 'the upstream failed too often in a row', {
    retryAfterSeconds,
  })
}
