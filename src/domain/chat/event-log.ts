import type { TokenUsage } from '../../engine/engine.ts'
import type { Message } from '../../store/store.ts'
import { createDeferred } from '../../lib/deferred.ts'
import type { Problem } from '../problem.ts'

/** What a stream tells: one start, any number of pieces of text, exactly one end. */
export type EventContent =
  | { type: 'start'; userMessage: Message; message: Message; requestId: string }
  | { type: 'text'; text: string }
  /** `message` as it is stored, `problem` if the answer failed; without a message nothing is stored. */
  | { type: 'end'; message?: Message; usage?: TokenUsage; problem?: Problem }

/**
 * An event of a stream. An engine's part becomes one when the log numbers it, or when it is rebuilt
 * from what is stored; the view makes it an event of the contract. It has no other forms.
 */
export type AnswerEvent = EventContent & {
  /** From 1 without gaps, except for the end of an interrupted generation. */
  seq: number
}

/**
 * The events of one answer. It takes events whether or not anyone reads; any number of readers follow
 * at their own pace. The longest answer bounds its size.
 */
export class EventLog {
  readonly #events: AnswerEvent[] = []
  #wake = createDeferred<undefined>()

  /** Ignores what comes after the end. @param seq of an end that has a number of its own */
  append(content: EventContent, seq = this.#events.length + 1): void {
    if (this.#isEnded()) return
    this.#events.push({ ...content, seq })
    this.#wake.resolve(undefined)
    this.#wake = createDeferred()
  }

  /**
   * The events after the given number, and those to come. Finishes after the end, which it yields
   * whatever the number is, or when `gone` aborts.
   */
  async *read(gone: AbortSignal, after = 0): AsyncGenerator<AnswerEvent> {
    const left = createDeferred<undefined>()
    const leave = () => {
      left.resolve(undefined)
    }
    gone.addEventListener('abort', leave, { once: true })
    try {
      for (let seen = after; !gone.aborted;) {
        const event = this.#following(seen)
        if (event) yield event
        else await Promise.race([this.#wake.promise, left.promise])
        if (event?.type === 'end') return
        seen = event?.seq ?? seen
      }
    } finally {
      // The signal may outlive many answers, and a listener on it would hold all of this one.
      gone.removeEventListener('abort', leave)
    }
  }

  #isEnded(): boolean {
    return this.#events.at(-1)?.type === 'end'
  }

  /** The event after a number; the end for a number beyond every event. */
  #following(seq: number): AnswerEvent | undefined {
    return this.#events[seq] ?? (this.#isEnded() ? this.#events.at(-1) : undefined)
  }
}
