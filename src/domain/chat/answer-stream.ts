import type { AnswerEvent } from './event-log.ts'
import type { Problem } from '../problem.ts'

/** The events of one answer for one reader, until they end or `gone` aborts. */
export type EventFeed = (gone: AbortSignal) => AsyncIterable<AnswerEvent>

/** A stream that waits to be read. */
export type AnswerStream = {
  generationId: string
  events: EventFeed
  /** Stops the generation; present where its caller wants it to stop when the stream breaks off. */
  stop?: () => void
  /** An earlier call under the same name started the generation. */
  isReplay: boolean
}

type Reader = {
  /** Aborts when the client has disconnected. */
  hungUp: AbortSignal
  /** Starts a watch that aborts `lost`, with a problem as its reason, when the caller loses access. */
  watch: () => { lost: AbortSignal; stop: () => void }
}

/** The events of a stream, for as long as its reader is connected and its caller has access. */
export async function* permittedEvents(
  { events, stop }: AnswerStream,
  { hungUp, watch }: Reader,
): AsyncGenerator<AnswerEvent> {
  const access = watch()
  let lastSeq = 0
  let isEnded = false
  try {
    for await (const event of events(AbortSignal.any([hungUp, access.lost]))) {
      lastSeq = event.seq
      isEnded = event.type === 'end'
      yield event
    }
    if (isEnded || !access.lost.aborted) return
    stop?.()
    // Not an event of the generation: under the last number, so that a reader who resumes misses nothing.
    yield { seq: lastSeq, type: 'end', problem: access.lost.reason as Problem }
  } finally {
    access.stop()
  }
}
