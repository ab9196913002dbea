import type { Dependencies } from '../dependencies.ts'
import type { Generation, Message } from '../store/store.ts'
import { found } from './access.ts'
import type { GenerationRun } from './generation-run.ts'
import type { Principal } from './principal.ts'
import { Problem } from './problem.ts'

/** Another instance hears of a cancel within a second; it is given so long to end. */
const CANCEL_WAIT_MS = 8_000
const LOOK_EVERY_MS = 200

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
      // Its instance may have died: then nobody else will end it.
      if (kept.leaseUntil <= clock.now()) await sweep()
      await clock.wait(LOOK_EVERY_MS)
    }
    throw new Problem('unavailable', { detail: 'The answer is still being stopped.' })
  }

  return {
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
