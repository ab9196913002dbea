import type { Dependencies } from '../dependencies.ts'
import type { TokenUsage } from '../../engine/engine.ts'
import type { Generation, KeptGeneration, Message } from '../../store/store.ts'
import { found } from '../access.ts'
import type { GenerationRun } from './generation-run.ts'
import type { Principal } from '../principal.ts'
import { Problem } from '../problem.ts'

/** Another instance hears of a cancel within a second; it is given so long to end. */
const CANCEL_WAIT_MS = 8_000
const LOOK_EVERY_MS = 200
/** When to ask again for an answer that another instance is making. */
const RETRY_SECONDS = 5

/** An answer that is kept, whoever has made it. */
export type Answer = {
  generationId: string
  userMessage: Message
  message: Message
  usage: TokenUsage
}

type Deps = Pick<Dependencies, 'store' | 'clock'> & { sweep: () => Promise<void> }

/** Looking at a generation and stopping it, wherever it is made. */
export function createGenerationCare(
  { store, clock, sweep }: Deps,
  running: ReadonlyMap<string, GenerationRun>,
) {
  /** The message as it is kept once its generation has ended. */
  const messageAfterEnd = async (caller: Principal, id: string): Promise<Message> => {
    for (let waited = 0; waited <= CANCEL_WAIT_MS; waited += LOOK_EVERY_MS) {
      const kept = found(await store.generations.findKept({ id, ownerId: caller.id }))
      if (kept.status !== 'running') return kept.message
      await sweepIfLeft(kept)
      await clock.wait(LOOK_EVERY_MS)
    }
    throw new Problem('unavailable', { detail: 'The answer is still being cancelled. Retry.' })
  }

  /** Its instance may have died: then nobody else will end it. */
  const sweepIfLeft = async ({ status, leaseUntil }: KeptGeneration): Promise<void> => {
    if (status === 'running' && leaseUntil <= clock.now()) await sweep()
  }

  return {
    /**
     * What an earlier try of the same call has made, as it is: it never runs twice.
     * @throws {Problem} not-found; idempotency-in-progress while it is being made
     */
    async kept(caller: Principal, id: string): Promise<Omit<Answer, 'generationId'>> {
      const find = async () => found(await store.generations.findKept({ id, ownerId: caller.id }))
      await sweepIfLeft(await find())
      const { status, userMessage, message } = await find()
      if (status === 'running') {
        throw new Problem('idempotency-in-progress', { retryAfterSeconds: RETRY_SECONDS })
      }
      return { userMessage, message, usage: message.usage ?? { source: 'estimated' } }
    },

    /** @throws {Problem} not-found */
    async read(caller: Principal, id: string): Promise<Generation> {
      return found(await store.generations.find({ id, ownerId: caller.id }))
    },

    /**
     * Stops it if it is running, and answers the message as it is kept.
     * @throws {Problem} not-found; unavailable when its instance does not stop in time
     */
    async cancel(caller: Principal, generationId: string): Promise<Message> {
      const id = generationId.toLowerCase()
      const run = running.get(id)
      if (run?.ownerId === caller.id) {
        run.stop('cancelled')
        await run.ended
      } else await store.generations.requestCancel({ id, ownerId: caller.id, now: clock.now() })
      return messageAfterEnd(caller, id)
    },
  }
}
