import { LONGEST_ANSWER } from './answer-buffer.ts'
import { invalidRequest, Problem } from '../problem.ts'

const EVENT_ID = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}):(\d{1,9})$/i

/**
 * The number of the event that ends an interrupted generation. Readers may have been sent more pieces
 * than were saved, each under a number of its own. This number is beyond any piece (there is one
 * start, and no piece is empty), so that no number ever means two events.
 */
export const INTERRUPTED_SEQ = LONGEST_ANSWER + 2

/** The id of an event of a stream: `<generationId>:<number>`. */
export function eventIdOf(generationId: string, seq: number): string {
  return `${generationId}:${seq}`
}

/**
 * The number in a `Last-Event-ID`.
 * @throws {Problem} invalid-request for a malformed id, not-found for one of another generation
 */
export function requireEventId(text: string, generationId: string): number {
  const [, id, seq] = EVENT_ID.exec(text) ?? []
  if (id === undefined || seq === undefined) {
    const detail = 'must be the id of an event'
    throw invalidRequest({ in: 'header', pointer: 'Last-Event-ID', code: 'format', detail })
  }
  if (id.toLowerCase() !== generationId) throw new Problem('not-found')
  return Number(seq)
}
