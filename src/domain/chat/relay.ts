import type { Clock } from '../../ports/clock/clock.ts'
import type { Relay, RelayedPiece } from '../../ports/redis/relay.ts'
import type { AnswerInProgress } from './answer-in-progress.ts'
import type { AnswerEvent } from './event-log.ts'

/** Pieces that come within this time are sent together. */
const GATHER_MS = 50

const NEVER = new AbortController().signal

/**
 * Sends the pieces of an answer to the other instances as they come, until it ends. Never rejects:
 * other instances read what does not arrive from the database.
 */
export async function relayPieces(
  answer: AnswerInProgress,
  { relay, clock }: { relay: Relay; clock: Clock },
): Promise<void> {
  let gathered: RelayedPiece[] = []
  let sending: Promise<void> | undefined
  const send = async (): Promise<void> => {
    await clock.wait(GATHER_MS)
    const pieces = gathered
    gathered = []
    sending = undefined
    await relay.publish(answer.id, pieces).catch(() => undefined)
  }
  for await (const event of answer.read(NEVER)) {
    if (event.type !== 'text') continue
    gathered.push(event)
    sending ??= send()
  }
}

/** The pieces after a number that have arrived of another instance's answer, up to the first gap. */
export async function relayedEvents(
  relay: Relay,
  generationId: string,
  after: number,
): Promise<AnswerEvent[]> {
  const pieces = await relay.read(generationId, after).catch(() => [])
  const gap = pieces.findIndex(({ seq }, index) => seq !== after + 1 + index)
  const whole = gap === -1 ? pieces : pieces.slice(0, gap)
  return whole.map(({ seq, text }) => ({ seq, type: 'text', text }))
}
