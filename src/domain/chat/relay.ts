import type { Clock } from '../../ports/clock/clock.ts'
import type { Relay, RelayedPiece } from '../../ports/redis/relay.ts'
import type { EventLog, NumberedEvent } from './event-log.ts'

/** Pieces of so long go out together. */
const GATHER_MS = 50

const NEVER = new AbortController().signal

/**
 * Sends the pieces of an answer to the other instances as they come, until it ends. Never rejects:
 * what does not get through is read from the database.
 */
export async function relayPieces(
  run: { id: string; log: EventLog },
  { relay, clock }: { relay: Relay; clock: Clock },
): Promise<void> {
  let gathered: RelayedPiece[] = []
  let sending: Promise<void> | undefined
  const send = async (): Promise<void> => {
    await clock.wait(GATHER_MS)
    const pieces = gathered
    gathered = []
    sending = undefined
    await relay.publish(run.id, pieces).catch(() => undefined)
  }
  for await (const { seq, event } of run.log.read(NEVER)) {
    if (event.type !== 'piece') continue
    gathered.push({ seq, text: event.text })
    sending ??= send()
  }
}

/** What has come of an answer that another instance makes, behind a number and without a gap. */
export async function relayedEvents(
  relay: Relay,
  generationId: string,
  after: number,
): Promise<NumberedEvent[]> {
  const pieces = await relay.read(generationId, after).catch(() => [])
  const isNext = ({ seq }: RelayedPiece, index: number) => seq === after + 1 + index
  const gap = pieces.findIndex((piece, index) => !isNext(piece, index))
  const whole = gap === -1 ? pieces : pieces.slice(0, gap)
  return whole.map(({ seq, text }) => ({ seq, event: { type: 'piece', text } }))
}
