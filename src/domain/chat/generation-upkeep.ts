import type { Dependencies } from '../dependencies.ts'
import { DatabaseUnavailable, type Renewed } from '../../store/store.ts'
import type { GenerationRun } from './generation-run.ts'
import { createReachability } from '../server/reachability.ts'

/** Text so far is saved, and leases are renewed, so often. */
const SAVE_EVERY_MS = 500
/** Without a renewal for so long a generation's instance counts as dead. */
const LEASE_MS = 20_000
/** Abandoned generations are looked for so often. */
const SWEEP_EVERY_MS = 10_000

/** Until when a generation is its instance's, if it is renewed now. */
export function leaseFrom(now: Date): Date {
  return new Date(now.getTime() + LEASE_MS)
}

/** What keeps running generations safe from a crash, and finds those that one has left behind. */
export function createGenerationUpkeep(
  { store, clock, log }: Pick<Dependencies, 'store' | 'clock' | 'log'>,
  running: ReadonlyMap<string, GenerationRun>,
) {
  const reachability = createReachability({ store, clock }, LEASE_MS)
  let isAway = false
  const onMistake = (error: unknown) => {
    if (error instanceof DatabaseUnavailable) isAway = true
    log.error({ err: error }, 'maintenance of generations failed')
  }

  const saveProgress = async (): Promise<void> => {
    // First of all, and in one statement: an outage may have been longer than the leases.
    if (isAway && running.size > 0) await renewLeases([...running.values()])
    isAway = false
    const idle: GenerationRun[] = []
    for (const run of running.values()) {
      const unsaved = run.unsaved()
      if (!unsaved) idle.push(run)
      // One that cannot be saved must not keep the others from being saved.
      else await save(run, unsaved).catch(onMistake)
    }
    if (idle.length > 0) await renewLeases(idle)
  }

  // One that is not running any more was deleted with its conversation, or taken for dead:
  // whatever it writes is not kept.
  const heed = (run: GenerationRun, renewed: Renewed): void => {
    if (renewed !== 'renewed') run.stop('cancelled')
  }

  const save = async (
    run: GenerationRun,
    unsaved: { content: string; pieceEnds: readonly number[] },
  ): Promise<void> => {
    const leaseUntil = leaseFrom(clock.now())
    const progress = { generationId: run.id, ...unsaved, leaseUntil }
    const renewed = await store.generations.saveProgress(progress)
    if (renewed !== 'gone') run.noteSaved(unsaved.content)
    heed(run, renewed)
  }

  const renewLeases = async (runs: readonly GenerationRun[]): Promise<void> => {
    const ids = runs.map(({ id }) => id)
    const leaseUntil = leaseFrom(clock.now())
    const renewed = await store.generations.renewLeases({ ids, leaseUntil })
    for (const run of runs) heed(run, renewed.get(run.id) ?? 'gone')
  }

  const sweep = async (): Promise<void> => {
    if (!reachability.canJudge()) return
    const interrupted = await store.generations.interruptAbandoned({
      now: clock.now(),
      all: false,
      // After a sleep of the machine every lease is over: its own answers go on all the same.
      except: [...running.keys()],
    })
    if (interrupted > 0) log.warn({ interrupted }, 'abandoned generations were interrupted')
  }

  return {
    /** Looks for those that their instance has left behind, out of turn, if that can be told. */
    sweep,

    /** At the start of an embedded server: whatever was running died with the process before. */
    async interruptAll(): Promise<void> {
      await store.generations.interruptAbandoned({ now: clock.now(), all: true })
    },

    /** Saves progress and looks for abandoned generations until the returned function is called. */
    keepUp(): () => void {
      const stops = [
        clock.every(SAVE_EVERY_MS, saveProgress, onMistake),
        clock.every(SWEEP_EVERY_MS, sweep, onMistake),
        reachability.keepUp(onMistake),
      ]
      return () => {
        for (const stop of stops) stop()
      }
    },
  }
}
