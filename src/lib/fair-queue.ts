import { createDeferred } from './deferred.ts'

/** `busy`: too much large work of one party; `full`: too many wait; `left`: the signal aborted. */
export type Refusal = 'busy' | 'full' | 'left'

export class TurnRefused extends Error {
  override readonly name = 'TurnRefused'
  readonly why: Refusal

  constructor(why: Refusal) {
    super(`No turn: ${why}.`)
    this.why = why
  }
}

export type FairQueueLimits = {
  /** Pieces of work in progress, of all parties. */
  places: number
  /** Of these, what a party may have whose work is large. */
  placesOfLarge: number
  /** What a party whose work is large may have in progress and waiting. */
  mostOfLarge: number
  /** Work that is larger on average is large. */
  largeSize: number
  /** How many may wait, of all parties. */
  longestQueue: number
}

type Waiting = {
  /** Belongs to work that was admitted before: it is never refused because there is too much. */
  isSteady: boolean
  /** Called only if the work has to wait; an abort ends the waiting. */
  signal: () => AbortSignal
}

/** Work that waits: it starts or is refused. */
type Waiter = { start: () => void; refuse: (why: Refusal) => void; isSteady: boolean }

/** The work of one name. It is dropped as soon as nothing of it is in progress or waiting. */
type Party = { running: number; waiting: Waiter[]; done: number; size: number }

/**
 * Runs a few pieces of work at a time, from each party in turn, so that the party with the most work
 * waits longest. How large work is shows when it is done. A party whose work turns out to be large on
 * average is held to less, and what it has waiting beyond that is refused.
 */
export class FairQueue {
  readonly #limits: FairQueueLimits
  /** In the order of their turns. */
  readonly #parties = new Map<string, Party>()
  #running = 0
  #waiting = 0

  constructor(limits: FairQueueLimits) {
    this.#limits = limits
  }

  /**
   * Runs the work in its turn.
   * @param how.sizeOf how large the work turned out to be
   * @throws TurnRefused, and what the work throws
   */
  async run<T>(
    name: string,
    work: () => Promise<T>,
    how: Waiting & { sizeOf: (done: T) => number },
  ): Promise<T> {
    const party = this.#partyOf(name)
    if (party.waiting.length === 0 && this.#mayRun(party)) this.#start(party)
    else await this.#wait(party, how).finally(() => this.#dropIfIdle(name, party))
    let size = 0
    try {
      const done = await work()
      size = how.sizeOf(done)
      return done
    } finally {
      this.#end(name, party, size)
    }
  }

  /** How much is in progress and waits, of all parties. */
  load(): { running: number; waiting: number; parties: number } {
    return { running: this.#running, waiting: this.#waiting, parties: this.#parties.size }
  }

  #partyOf(name: string): Party {
    const party = this.#parties.get(name) ?? { running: 0, waiting: [], done: 0, size: 0 }
    this.#parties.set(name, party)
    return party
  }

  async #wait(party: Party, how: Waiting): Promise<void> {
    const refused = how.isSteady ? undefined : this.#refusalOf(party)
    if (refused) throw new TurnRefused(refused)
    const signal = how.signal()
    if (signal.aborted) throw new TurnRefused('left')
    const turn = createDeferred<undefined>()
    const refuse = (why: Refusal) => turn.reject(new TurnRefused(why))
    const waiter = { start: () => turn.resolve(undefined), refuse, isSteady: how.isSteady }
    const leave = () => {
      this.#remove(party, waiter)
      refuse('left')
    }
    signal.addEventListener('abort', leave, { once: true })
    party.waiting.push(waiter)
    this.#waiting += 1
    await turn.promise.finally(() => signal.removeEventListener('abort', leave))
  }

  #refusalOf(party: Party): Refusal | undefined {
    const { mostOfLarge, longestQueue } = this.#limits
    if (this.#isLarge(party) && workOf(party) >= mostOfLarge) return 'busy'
    return this.#waiting >= longestQueue ? 'full' : undefined
  }

  #isLarge({ done, size }: Party): boolean {
    return done > 0 && size / done > this.#limits.largeSize
  }

  #mayRun(party: Party): boolean {
    const { places, placesOfLarge } = this.#limits
    return this.#running < places && (!this.#isLarge(party) || party.running < placesOfLarge)
  }

  #start(party: Party): void {
    this.#running += 1
    party.running += 1
  }

  #end(name: string, party: Party, size: number): void {
    this.#running -= 1
    party.running -= 1
    party.done += 1
    party.size += size
    this.#refuseExcess(party)
    this.#dropIfIdle(name, party)
    this.#admit()
  }

  /** The last to come are the first to be refused. */
  #refuseExcess(party: Party): void {
    const excess = workOf(party) - this.#limits.mostOfLarge
    if (!this.#isLarge(party) || excess <= 0) return
    const refusable = party.waiting.filter(({ isSteady }) => !isSteady)
    for (const waiter of refusable.slice(-excess)) {
      this.#remove(party, waiter)
      waiter.refuse('busy')
    }
  }

  #dropIfIdle(name: string, party: Party): void {
    if (workOf(party) === 0) this.#parties.delete(name)
  }

  /** Starts what has a place now, one piece of each party in turn. */
  #admit(): void {
    for (let next = this.#nextParty(); next; next = this.#nextParty()) {
      const [name, party] = next
      const waiter = party.waiting[0]!
      this.#remove(party, waiter)
      this.#parties.delete(name)
      this.#parties.set(name, party)
      this.#start(party)
      waiter.start()
    }
  }

  #nextParty(): [name: string, party: Party] | undefined {
    if (this.#running >= this.#limits.places || this.#waiting === 0) return undefined
    for (const entry of this.#parties) {
      if (entry[1].waiting.length > 0 && this.#mayRun(entry[1])) return entry
    }
    return undefined
  }

  #remove(party: Party, waiter: Waiter): void {
    party.waiting.splice(party.waiting.indexOf(waiter), 1)
    this.#waiting -= 1
  }
}

/** How much of a party is in progress and waits. */
function workOf({ running, waiting }: Party): number {
  return running + waiting.length
}
