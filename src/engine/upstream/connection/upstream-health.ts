import type { RefusalKind } from '../refusals/refusal.ts'

/** Refusals that every other call would get, too. */
const AFFECTS_EVERY_CALL: readonly RefusalKind[] = ['access', 'credit', 'unknown-model']
/**
 * After this many refused requests in a row, none of them for its content, the cause is not the
 * request.
 */
const REFUSALS_IN_A_ROW = 5

type Outcome = 'unknown' | 'accepted' | 'refused'

/** Whether the upstream accepts calls: a list of models that is served tells nothing about chat. */
export class UpstreamHealth {
  #last: Outcome = 'unknown'
  #refusedInARow = 0

  get last(): Outcome {
    return this.#last
  }

  recordAccepted(): void {
    this.#last = 'accepted'
    this.#refusedInARow = 0
  }

  recordRefused(kind: RefusalKind): void {
    if (kind === 'request') this.#refusedInARow += 1
    const affectsAll = AFFECTS_EVERY_CALL.includes(kind) || this.#refusedInARow >= REFUSALS_IN_A_ROW
    if (affectsAll) this.#last = 'refused'
  }

  /**
   * Whether chat can be expected to work.
   * @param listStatus the status of `GET /models`
   * @param isNamed whether the operator has named a model, so that no list is needed
   */
  isUp(listStatus: number, isNamed: boolean): boolean {
    if (this.#last === 'refused') return false
    if (listStatus === 200) return true
    // Some servers have no list, and some keys may use chat but not the list.
    if ([404, 405, 501].includes(listStatus)) return isNamed
    return [401, 403].includes(listStatus) && this.#last === 'accepted'
  }
}
