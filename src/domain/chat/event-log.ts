import type { TokenUsage } from '../../engine/engine.ts'
import type { Message } from '../../store/store.ts'
import { createDeferred } from '../../lib/deferred.ts'
import type { Problem } from '../problem.ts'

/** What happens while an answer is made: one start, any number of pieces, exactly one end. */
export type GenerationEvent =
  | { type: 'start'; userMessage: Message; message: Message; requestId: string }
  | { type: 'piece'; text: string }
  /** `message` as it is kept, `problem` where it broke off; without a message nothing is known. */
  | { type: 'end'; message?: Message; usage?: TokenUsage; problem?: Problem }

/** An event with its number: from 1 without gaps, but for the end of what a server broke off. */
export type NumberedEvent = { seq: number; event: GenerationEvent }

export type EventLog = ReturnType<typeof createEventLog>

/**
 * The events of one generation. The generation appends whether or not anyone reads; any number of
 * readers follow at their own pace. Its size is bounded by the longest answer.
 */
export function createEventLog() {
  const events: NumberedEvent[] = []
  let ended = false
  let wake = createDeferred<undefined>()

  const wakeReaders = () => {
    wake.resolve(undefined)
    wake = createDeferred<undefined>()
  }

  /** The event behind a number; the end for a number that no event had. */
  const following = (seq: number): NumberedEvent | undefined =>
    events[seq] ?? (ended ? events.at(-1) : undefined)

  return {
    /** Nothing comes after an end. @param seq of an end that has a number of its own */
    append(event: GenerationEvent, seq = events.length + 1): void {
      if (ended) return
      events.push({ seq, event })
      ended = event.type === 'end'
      wakeReaders()
    },

    /**
     * The events after the given number, and those to come. Ends after the terminal one, which comes
     * whatever the number was, or on abort.
     */
    async *read(gone: AbortSignal, after = 0): AsyncGenerator<NumberedEvent> {
      const left = createDeferred<undefined>()
      const leave = () => {
        left.resolve(undefined)
      }
      gone.addEventListener('abort', leave, { once: true })
      try {
        for (let seen = after; !gone.aborted;) {
          const numbered = following(seen)
          if (numbered) yield numbered
          else await Promise.race([wake.promise, left.promise])
          if (numbered?.event.type === 'end') return
          seen = numbered?.seq ?? seen
        }
      } finally {
        // The signal may outlive many answers, and what listens to it holds the whole of this one.
        gone.removeEventListener('abort', leave)
      }
    },
  }
}
