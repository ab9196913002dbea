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

/** Consecutive failed calls that open the circuit; each call has had its own retries. */
const FAILURES_IN_A_ROW = 5
/** How long the circuit stays open; then it is half open, and one call probes the upstream. */
const OPEN_MS = 15_000
/** The `Retry-After` of calls that arrive during the probe. */
const PROBE_RETRY_SECONDS = 2

/**
 * Keeps calls away from an upstream that fails: they fail immediately instead of waiting, and the
 * upstream can recover.
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

  /**
   * Whether the upstream is considered failed: open, or half open with the probe's result unknown.
   */
  get isBroken(): boolean {
    return this.#policy.state !== CircuitState.Closed
  }

  /**
   * Runs `work`, unless the circuit is open.
   * @throws EngineFailure upstream-failed with `retryAfterSeconds`, immediately, when it is open
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    // The library would let other calls wait for the probe, and ignore their abort.
    if (this.#policy.state === CircuitState.HalfOpen) throw broken(PROBE_RETRY_SECONDS)
    try {
      return await this.#policy.execute(work)
    } catch (error) {
      if (!isBrokenCircuitError(error)) throw error
      throw broken((this.#openUntilMs - this.#clock.monotonicMs()) / 1_000)
    }
  }

  /**
   * A call that its caller aborted proves nothing; while half open it must not close the circuit.
   */
  #counts(error: Error): boolean {
    if (error instanceof EngineFailure) return !error.isOfRequest
    return this.#policy.state === CircuitState.HalfOpen
  }

  /**
   * The library compares the wall clock with a duration that it reads each time. A duration that is
   * infinite until the injected clock says otherwise makes that the only clock.
   */
  #pause() {
    const isOver = () => this.#clock.monotonicMs() >= this.#openUntilMs
    const pause = {
      get duration() {
        return isOver() ? -Infinity : Infinity
      },
      next: ({ result }: { result: object }) => {
        // After an aborted probe the next call may probe immediately.
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
