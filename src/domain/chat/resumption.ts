import type { Dependencies } from '../dependencies.ts'
import { found } from '../access/access.ts'
import type { AnswersInProgress } from './answers-in-progress.ts'
import type { AnswerStream, EventFeed } from './answer-stream.ts'
import type { JoinedGeneration } from '../calls/call.ts'
import { requireEventId } from './event-ids.ts'
import { endSeqOf } from './replay.ts'
import { followStored } from './stored-feed.ts'
import type { Principal } from '../access/principal.ts'
import { Problem } from '../problem.ts'

/** How long a stream can be followed after its end (CONTRACT: streams). */
const FOLLOWABLE_MS = 10 * 60_000
/** How long a call that only holds its key is given to start its generation. */
const START_WAIT_MS = 2_000
const START_LOOK_EVERY_MS = 50

type Deps = Pick<Dependencies, 'store' | 'clock' | 'relay'>

/** Opens streams of generations that an earlier call started, from any event on. */
export class Resumption {
  readonly #deps: Deps
  readonly #answers: AnswersInProgress

  constructor(deps: Deps, answers: AnswersInProgress) {
    this.#deps = deps
    this.#answers = answers
  }

  /**
   * The events after one, or all of them. A reader who has not seen the end is sent it, whether or not
   * there was an event of the number given.
   * @returns undefined when the reader has seen the end
   * @throws {Problem} not-found, generation-expired; invalid-request for a malformed id
   */
  async resume(
    caller: Principal,
    generationId: string,
    lastEventId: string | undefined,
  ): Promise<AnswerStream | undefined> {
    const id = generationId.toLowerCase()
    const after = lastEventId === undefined ? 0 : requireEventId(lastEventId, id)
    const stream = { generationId: id, events: this.#feed(caller, id, after), isReplay: false }
    if (this.#answers.find(id)?.ownerId === caller.id) return stream
    const kept = found(await this.#find(caller, id))
    const now = this.#deps.clock.now().getTime()
    if (kept.endedAt && now - kept.endedAt.getTime() > FOLLOWABLE_MS) {
      throw new Problem('generation-expired')
    }
    return kept.status !== 'running' && after === endSeqOf(kept) ? undefined : stream
  }

  /**
   * All events of a generation that an earlier call under the same name started or is starting.
   * @throws {Problem} the one that the first call got; not-found when the generation is deleted;
   *   idempotency-in-progress when it does not start
   */
  async attach(caller: Principal, { id, hasBegun }: JoinedGeneration): Promise<AnswerStream> {
    const stream = { generationId: id, events: this.#feed(caller, id, 0), isReplay: true }
    for (let waited = 0; waited <= START_WAIT_MS; waited += START_LOOK_EVERY_MS) {
      const answer = this.#answers.find(id)
      await answer?.opened
      if (answer ?? (await this.#find(caller, id))) return stream
      if (hasBegun) throw new Problem('not-found')
      await this.#deps.clock.wait(START_LOOK_EVERY_MS)
    }
    throw new Problem('idempotency-in-progress', { retryAfterSeconds: 1 })
  }

  /** Follows the answer live where this instance makes it when the reading starts. */
  #feed(caller: Principal, id: string, after: number): EventFeed {
    return (gone) => {
      const answer = this.#answers.find(id)
      if (answer) return answer.read(gone, after)
      return followStored(this.#deps, { id, ownerId: caller.id }, after, gone)
    }
  }

  #find(caller: Principal, id: string) {
    return this.#deps.store.generations.findKept({ id, ownerId: caller.id })
  }
}
