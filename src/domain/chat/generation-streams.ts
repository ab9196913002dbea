import type { ProblemCode } from '../../../generated/api.ts'
import type { Dependencies } from '../dependencies.ts'
import type { KeptGeneration } from '../../store/store.ts'
import { found } from '../access.ts'
import type { JoinedGeneration } from '../calls/call.ts'
import type { NumberedEvent } from './event-log.ts'
import { relayedEvents } from './generation-relay.ts'
import type { GenerationRun } from './generation-run.ts'
import { BROKEN_OFF_SEQ, requireEventId } from './event-ids.ts'
import type { Principal } from '../principal.ts'
import { Problem } from '../problem.ts'
import { retrying } from '../retry.ts'

/** How long a stream can be followed after its end (CONTRACT: streams). */
const FOLLOWABLE_MS = 10 * 60_000
/** How often the database is asked for what another instance has saved. */
const LOOK_EVERY_MS = 300
/** How often the relay is asked for what has come since. */
const HEAR_EVERY_MS = 100
/** A first call that has a key and nothing else is given so long to begin. */
const BEGIN_WAIT_MS = 2_000
const BEGIN_LOOK_EVERY_MS = 50

export type Attached = { id: string; events: EventSource }
export type EventSource = (gone: AbortSignal) => AsyncIterable<NumberedEvent>

/**
 * The streams of generations, followed from any event on. One that is made here is followed live.
 * Of any other the events are made again from what is kept: the text, where each piece of it ended,
 * and how it ended; so they are the same for everybody, on every instance, after every restart.
 */
export function createGenerationStreams(
  { store, clock, relay }: Pick<Dependencies, 'store' | 'clock' | 'relay'>,
  running: ReadonlyMap<string, GenerationRun>,
) {
  const find = (caller: Principal, id: string): Promise<KeptGeneration | undefined> =>
    store.generations.findKept({ id, ownerId: caller.id })

  /** Events behind `after`, until the generation has ended or the reader is gone. */
  async function* follow(
    caller: Principal,
    id: string,
    after: number,
    gone: AbortSignal,
  ): AsyncGenerator<NumberedEvent> {
    let seen = after
    const pauseMs = relay ? HEAR_EVERY_MS : LOOK_EVERY_MS
    while (!gone.aborted) {
      const kept = await retrying(clock, () => find(caller, id))
      if (!kept) {
        // Its conversation was deleted while it was read.
        yield { seq: seen + 1, event: { type: 'end', problem: new Problem('not-found') } }
        return
      }
      for (const numbered of eventsOf(kept, seen)) {
        seen = numbered.seq
        yield numbered
      }
      if (kept.status !== 'running') return
      for (let waited = 0; waited < LOOK_EVERY_MS; waited += pauseMs) {
        if (!(await passes(pauseMs, gone))) return
        for (const numbered of relay ? await relayedEvents(relay, id, seen) : []) {
          seen = numbered.seq
          yield numbered
        }
      }
    }
  }

  /** False when the reader has gone in the meantime. */
  const passes = (ms: number, gone: AbortSignal): Promise<boolean> =>
    clock.wait(ms, gone).then(
      () => true,
      () => false,
    )

  const sourceOf =
    (caller: Principal, id: string, after: number): EventSource =>
    (gone) => {
      const run = running.get(id)
      return run ? run.log.read(gone, after) : follow(caller, id, after, gone)
    }

  return {
    /**
     * What follows an event, or all there is. The end comes for every number but its own, whether
     * or not there was an event of that number: who has not seen the end must see it.
     * @returns undefined when the end was seen
     * @throws {Problem} not-found, generation-expired; invalid-request for an id that is none
     */
    async resume(
      caller: Principal,
      generationId: string,
      lastEventId: string | undefined,
    ): Promise<EventSource | undefined> {
      const id = generationId.toLowerCase()
      const after = lastEventId === undefined ? 0 : requireEventId(lastEventId, id)
      if (running.get(id)?.ownerId === caller.id) return sourceOf(caller, id, after)
      const kept = found(await find(caller, id))
      if (kept.endedAt && clock.now().getTime() - kept.endedAt.getTime() > FOLLOWABLE_MS) {
        throw new Problem('generation-expired')
      }
      if (kept.status === 'running') return sourceOf(caller, id, after)
      return after === endSeqOf(kept) ? undefined : sourceOf(caller, id, after)
    },

    /**
     * All events of a generation that an earlier call with the same name has asked for.
     * @throws {Problem} the one that the first call got; not-found when nothing is kept of it any
     *   more; idempotency-in-progress when it does not begin
     */
    async attach(caller: Principal, { id, hasBegun }: JoinedGeneration): Promise<Attached> {
      for (let waited = 0; waited <= BEGIN_WAIT_MS; waited += BEGIN_LOOK_EVERY_MS) {
        const run = running.get(id)
        if (run) await run.begun
        if (run ?? (await find(caller, id))) return { id, events: sourceOf(caller, id, 0) }
        if (hasBegun) throw new Problem('not-found')
        await clock.wait(BEGIN_LOOK_EVERY_MS)
      }
      throw new Problem('idempotency-in-progress', { retryAfterSeconds: 1 })
    },
  }
}

/** The number of the end. */
function endSeqOf({ status, pieceEnds }: KeptGeneration): number {
  return status === 'interrupted' ? BROKEN_OFF_SEQ : pieceEnds.length + 2
}

/** The events behind `after`, as far as they are kept, and the end if there is one. */
function* eventsOf(kept: KeptGeneration, after: number): Generator<NumberedEvent> {
  const { userMessage, message, requestId, pieceEnds, status } = kept
  if (after < 1) {
    const begun = { ...message, content: '', status: 'inProgress' as const }
    yield { seq: 1, event: { type: 'start', userMessage, message: begun, requestId } }
  }
  for (let piece = Math.max(0, after - 1); piece < pieceEnds.length; piece += 1) {
    const text = message.content.slice(pieceEnds[piece - 1] ?? 0, pieceEnds[piece])
    yield { seq: piece + 2, event: { type: 'piece', text } }
  }
  if (status === 'running') return
  const { usage = { source: 'estimated' as const } } = message
  const problem = problemOf(kept)
  const end = { type: 'end' as const, message, usage, ...(problem && { problem }) }
  yield { seq: endSeqOf(kept), event: end }
}

function problemOf({ status, problem, problemDetail }: KeptGeneration): Problem | undefined {
  if (status === 'interrupted') {
    return new Problem('unavailable', { detail: 'The server stopped during the answer.' })
  }
  if (status !== 'failed') return undefined
  const facts = problemDetail === undefined ? {} : { detail: problemDetail }
  return new Problem((problem ?? 'internal') as ProblemCode, facts)
}
