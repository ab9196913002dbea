import type { Dependencies } from '../dependencies.ts'
import type { Message } from '../../store/store.ts'
import { found } from '../access/access.ts'
import type { AnswersInProgress } from './answers-in-progress.ts'
import type { Leases } from './leases.ts'
import type { Principal } from '../access/principal.ts'
import { Problem } from '../problem.ts'

/** How long another instance is given to stop: it learns of a cancellation within a second. */
const CANCEL_WAIT_MS = 8_000
const LOOK_EVERY_MS = 200

type Deps = Pick<Dependencies, 'store' | 'clock'> & { leases: Leases }

/** Stops generations, whichever instance makes them. */
export class Cancellation {
  readonly #deps: Deps
  readonly #answers: AnswersInProgress

  constructor(deps: Deps, answers: AnswersInProgress) {
    this.#deps = deps
    this.#answers = answers
  }

  /**
   * Stops the generation if it is running, and returns its message as it is stored.
   * @throws {Problem} not-found; unavailable when its instance does not stop in time
   */
  async cancel(caller: Principal, generationId: string): Promise<Message> {
    const id = generationId.toLowerCase()
    const answer = this.#answers.find(id)
    if (answer?.ownerId === caller.id) {
      answer.stop('cancelled')
      await answer.ended
    } else await this.#request(caller, id)
    return this.#messageAfterEnd(caller, id)
  }

  /** Stops the answers that this instance makes for an account that is closed. */
  stopOf(accountId: string): void {
    for (const answer of this.#answers.all()) {
      if (answer.ownerId === accountId) answer.stop('cancelled')
    }
  }

  /** Stops the answer that this instance makes in a conversation that is deleted. */
  stopIn(conversationId: string): void {
    // A UUID may come in capitals (RFC 9562 4).
    const id = conversationId.toLowerCase()
    for (const answer of this.#answers.all()) {
      if (answer.conversationId === id) answer.stop('cancelled')
    }
  }

  /** Asks the instance that makes it to stop it. */
  async #request(caller: Principal, id: string): Promise<void> {
    const { store, clock } = this.#deps
    await store.generations.requestCancel({ id, ownerId: caller.id, now: clock.now() })
  }

  async #messageAfterEnd(caller: Principal, id: string): Promise<Message> {
    const { store, clock, leases } = this.#deps
    for (let waited = 0; waited <= CANCEL_WAIT_MS; waited += LOOK_EVERY_MS) {
      const kept = found(await store.generations.findKept({ id, ownerId: caller.id }))
      if (kept.status !== 'running') return kept.message
      await leases.sweepIfLapsed(kept)
      await clock.wait(LOOK_EVERY_MS)
    }
    throw new Problem('unavailable', { detail: 'The answer is still being cancelled. Retry.' })
  }
}
