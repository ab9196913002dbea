import type { RefusalKind } from '../refusals/refusal.ts'

/** What no other call can be spared. */
const OF_EVERY_CALL: readonly RefusalKind[] = ['access', 'credit', 'unknown-model']
/** So many requests refused in a row, none of them for its content, are not about the request. */
const REFUSALS_IN_A_ROW = 5

/** What the upstream made of the calls so far: a list of models that answers says nothing of a chat. */
export class UpstreamHealth {
  #last: 'unknown' | 'taken' | 'refused' = 'unknown'
  #inARow = 0

  get last(): 'unknown' | 'taken' | 'refused' {
    return this.#last
  }

  taken(): void {
    this.#last = 'taken'
    this.#inARow = 0
  }

  refused(kind: RefusalKind): void {
    if (kind === 'request') this.#inARow += 1
    const isOfEveryCall = OF_EVERY_CALL.includes(kind) || this.#inARow >= REFUSALS_IN_A_ROW
    if (isOfEveryCall) this.#last = 'refused'
  }

  /**
   * Whether chat can be expected to be answered, by the status of the list of models.
   * @param named whether there is a model to ask for without a list
   */
  isUp(listStatus: number, named: boolean): boolean {
    if (this.#last === 'refused') return false
    if (listStatus === 200) return true
    // Some servers have no list, and some keys may chat and not list.
    if ([404, 405, 501].includes(listStatus)) return named
    return [401, 403].includes(listStatus) && this.#last === 'taken'
  }
}
