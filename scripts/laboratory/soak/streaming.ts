import { randomInt } from 'node:crypto'
import {
  openStream,
  type OpenStream,
  resumeStream,
  type WireEvent,
} from '../../../tests/support/wire/stream.ts'
import type { Caller } from './caller.ts'

/** Half of the streams are left after this many events and resumed, often at another instance. */
const LEFT_AFTER = 4

/** Returns the events that arrived. A connection that breaks leaves none. */
export async function streamAnswer(
  caller: Caller,
  body: Parameters<typeof openStream>[1],
): Promise<WireEvent[]> {
  try {
    const stream = await openStream(caller.client(), body)
    if (stream.status !== 200) return []
    if (randomInt(2) === 0) return await stream.rest()
    return await leaveAndResume(caller, stream)
  } catch {
    return []
  }
}

async function leaveAndResume(caller: Caller, stream: OpenStream): Promise<WireEvent[]> {
  const events: WireEvent[] = []
  for (let event = await stream.next(); event; event = await stream.next()) {
    events.push(event)
    if (events.length === LEFT_AFTER) break
  }
  stream.hangUp()
  const start = events[0]?.event
  if (start?.type !== 'message.start') return events
  const resumed = await resumeStream(caller.client(), start.generationId, events.at(-1)!.id)
  return [...events, ...(await resumed.rest())]
}
