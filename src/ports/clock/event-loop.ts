import { setImmediate as later } from 'node:timers/promises'
import { systemClock } from './clock.ts'

/**
 * Node accepts one new connection in each turn: for each half millisecond that a piece of work took,
 * a turn without work follows, so that new connections are not kept waiting.
 */
const MS_OF_A_TURN = 0.5
const MAX_TURNS_BETWEEN = 10

/**
 * The event loop, shared by long work and everything else. Long work is done in pieces, each in a
 * turn of its own, so that other calls are read in between.
 */
export interface EventLoop {
  /**
   * Resolves in a turn that no other piece has: at once if this turn has none. One piece a turn,
   * first come first served, whatever they belong to.
   */
  yield(): Promise<void>
}

/** The event loop of this process. */
export class NodeEventLoop implements EventLoop {
  readonly #nextTurn: () => Promise<unknown>
  readonly #monotonicMs: () => number
  readonly #waiting: (() => void)[] = []
  #isTaken = false

  /**
   * @param nextTurn resolves in the next turn of the event loop, after its input was read
   * @param monotonicMs in real time, whatever the clock of the program says
   */
  constructor(
    nextTurn: () => Promise<unknown> = later,
    monotonicMs: () => number = () => systemClock.monotonicMs(),
  ) {
    this.#nextTurn = nextTurn
    this.#monotonicMs = monotonicMs
  }

  async yield(): Promise<void> {
    if (this.#isTaken) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else void this.#passOn()
  }

  async #passOn(): Promise<void> {
    this.#isTaken = true
    await this.#readInput()
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      next()
      await this.#readInput()
    }
    this.#isTaken = false
  }

  /** Lets turns without a piece pass, as many as the piece of this turn has taken time for. */
  async #readInput(): Promise<void> {
    const startMs = this.#monotonicMs()
    await this.#nextTurn()
    const between = Math.floor((this.#monotonicMs() - startMs) / MS_OF_A_TURN)
    for (let i = 0; i < Math.min(between, MAX_TURNS_BETWEEN); i += 1) await this.#nextTurn()
  }
}
