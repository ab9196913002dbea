import type { Dependencies } from '../dependencies.ts'
import type { AnswerEvent } from './event-log.ts'
import { Problem } from '../problem.ts'
import { relayedEvents } from './relay.ts'
import { storedEvents } from './replay.ts'
import { retrying } from '../server/database-retry.ts'

/** How often the database is asked for what another instance has saved. */
const LOOK_EVERY_MS = 300
/** How often the relay is asked for pieces between two looks. */
const HEAR_EVERY_MS = 100

type Deps = Pick<Dependencies, 'store' | 'clock' | 'relay'>
type Generation = { id: string; ownerId: string }

/**
 * The events after a number of a generation that this instance does not make, until the generation has
 * ended or `gone` aborts.
 */
export async function* followStored(
  deps: Deps,
  generation: Generation,
  after: number,
  gone: AbortSignal,
): AsyncGenerator<AnswerEvent> {
  const { store, clock } = deps
  for (let seen = after; !gone.aborted;) {
    const kept = await retrying(clock, () => store.generations.findKept(generation))
    if (!kept) {
      // Its conversation was deleted while it was read.
      yield { seq: seen + 1, type: 'end', problem: new Problem('not-found') }
      return
    }
    for (const event of storedEvents(kept, seen)) {
      seen = event.seq
      yield event
    }
    if (kept.status !== 'running') return
    for await (const event of relayedUntilNextLook(deps, generation.id, seen, gone)) {
      seen = event.seq
      yield event
    }
  }
}

/** Waits for the next look at the database, and yields what the relay brings in the meantime. */
async function* relayedUntilNextLook(
  { clock, relay }: Deps,
  id: string,
  after: number,
  gone: AbortSignal,
): AsyncGenerator<AnswerEvent> {
  const pauseMs = relay ? HEAR_EVERY_MS : LOOK_EVERY_MS
  let seen = after
  for (let waited = 0; waited < LOOK_EVERY_MS; waited += pauseMs) {
    await clock.wait(pauseMs, gone).catch(() => undefined)
    if (gone.aborted) return
    for (const event of relay ? await relayedEvents(relay, id, seen) : []) {
      seen = event.seq
      yield event
    }
  }
}
