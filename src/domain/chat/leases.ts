import type { Dependencies } from '../dependencies.ts'
import { DatabaseUnavailable, type KeptGeneration, type Renewed } from '../../store/store.ts'
import type { Progress } from './answer-buffer.ts'
import type { AnswerInProgress } from './answer-in-progress.ts'
import type { AnswersInProgress } from './answers-in-progress.ts'
import { Reachability } from '../server/reachability.ts'

/** How often the text so far is saved and leases are renewed. */
const SAVE_EVERY_MS = 500
/** How long a generation belongs to its instance without a renewal; then the instance counts as dead. */
const LEASE_MS = 20_000
/** How often lapsed leases are looked for. */
const SWEEP_EVERY_MS = 10_000

type Deps = Pick<Dependencies, 'store' | 'clock' | 'log'>

/** When the lease of a generation lapses that is started or renewed now. */
export function leaseFrom(now: Date): Date {
  return new Date(now.getTime() + LEASE_MS)
}

/**
 * Renews the leases of this instance's generations, which saves their text from a crash, and ends the
 * generations of instances whose leases have lapsed. See docs/decisions/0019.
 */
export class Leases {
  readonly #deps: Deps
  readonly #answers: AnswersInProgress
  readonly #reachability: Reachability
  /** The database was unavailable: leases may be about to lapse. */
  #isOverdue = false

  constructor(deps: Deps, answers: AnswersInProgress) {
    this.#deps = deps
    this.#answers = answers
    this.#reachability = new Reachability(deps, LEASE_MS)
  }

  /** Renews, saves and sweeps until the returned function is called. */
  keepUp(): () => void {
    const { clock } = this.#deps
    const onError = (error: unknown) => {
      this.#noteError(error)
    }
    const stops = [
      clock.every(SAVE_EVERY_MS, () => this.#saveAndRenew(onError), onError),
      clock.every(SWEEP_EVERY_MS, () => this.sweep(), onError),
      this.#reachability.keepUp(onError),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }

  /** Interrupts the generations of dead instances, if this instance can tell which are dead. */
  async sweep(): Promise<void> {
    if (!this.#reachability.canJudge()) return
    const { store, clock, log } = this.#deps
    const interrupted = await store.generations.interruptAbandoned({
      now: clock.now(),
      all: false,
      // After the machine slept every lease has lapsed; this instance's own answers go on all the same.
      except: this.#answers.all().map(({ id }) => id),
    })
    if (interrupted > 0) log.warn({ interrupted }, 'abandoned generations were interrupted')
  }

  /** Sweeps out of turn when this generation's instance may have died: nothing else would end it. */
  async sweepIfLapsed({ status, leaseUntil }: KeptGeneration): Promise<void> {
    if (status === 'running' && leaseUntil <= this.#deps.clock.now()) await this.sweep()
  }

  /** At the start of an embedded server: the process that made them has died. */
  async interruptAll(): Promise<void> {
    const { store, clock } = this.#deps
    await store.generations.interruptAbandoned({ now: clock.now(), all: true })
  }

  async #saveAndRenew(onError: (error: unknown) => void): Promise<void> {
    // Before anything else, and in one statement: an outage may have been longer than the leases.
    if (this.#isOverdue && this.#answers.count > 0) await this.#renew(this.#answers.all())
    this.#isOverdue = false
    const idle: AnswerInProgress[] = []
    for (const answer of this.#answers.all()) {
      const progress = answer.unsaved()
      if (!progress) idle.push(answer)
      // One that cannot be saved must not keep the others from being saved.
      else await this.#save(answer, progress).catch(onError)
    }
    if (idle.length > 0) await this.#renew(idle)
  }

  /** Saving renews the lease in the same statement. */
  async #save(answer: AnswerInProgress, progress: Progress): Promise<void> {
    const { store, clock } = this.#deps
    const leaseUntil = leaseFrom(clock.now())
    const saving = { generationId: answer.id, ...progress, leaseUntil }
    const renewed = await store.generations.saveProgress(saving)
    if (renewed !== 'gone') answer.noteSaved(progress)
    stopUnlessRenewed(answer, renewed)
  }

  async #renew(answers: readonly AnswerInProgress[]): Promise<void> {
    const { store, clock } = this.#deps
    const ids = answers.map(({ id }) => id)
    const leaseUntil = leaseFrom(clock.now())
    const renewed = await store.generations.renewLeases({ ids, leaseUntil })
    for (const answer of answers) stopUnlessRenewed(answer, renewed.get(answer.id) ?? 'gone')
  }

  #noteError(error: unknown): void {
    if (error instanceof DatabaseUnavailable) this.#isOverdue = true
    this.#deps.log.error({ err: error }, 'maintenance of generations failed')
  }
}

/**
 * Stops an answer whose cancellation another instance requested, and one that is not running any
 * more: it was deleted with its conversation, or taken for dead, so nothing it writes is stored.
 */
function stopUnlessRenewed(answer: AnswerInProgress, renewed: Renewed): void {
  if (renewed !== 'renewed') answer.stop('cancelled')
}
