import { createDeferred } from './deferred.ts'

/** Who waits, and what becomes of it: its turn, or a refusal. */
type Waiter = { go: () => void; refuse: (why: Refusal) => void; isSteady: boolean }

/** Somebody's work at the moment. It is forgotten as soon as nothing of it is under way. */
type Party = { running: number; waiting: Waiter[]; done: number; size: number }

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

type Waiting = {
  /** It belongs to something that was let in already: it is never refused for there being too much. */
  isSteady: boolean
  /** Asked for only by who has to wait; it ends the waiting. */
  signal: () => AbortSignal
}

export type FairQueueLimits = {
  /** Pieces of work under way at once, of all parties. */
  places: number
  /** Of these, what a party may have whose work is large. */
  placesOfLarge: number
  /** What a party whose work is large may have under way and waiting. */
  mostOfLarge: number
  /** What is larger on average is large. */
  largeSize: number
  /** How many may wait, of all parties. */
  longestQueue: number
}

export type FairQueue = ReturnType<typeof createFairQueue>

/**
 * Runs work a few pieces at a time, of one party after the other: whoever has much waiting waits
 * longest. How large work is shows when it is done. A party whose work turns out to be large on
 * average is held to less, and what it has waiting beyond that is refused.
 */
export function createFairQueue(limits: FairQueueLimits) {
  // In the order of whose turn it is.
  const parties = new Map<string, Party>()
  let running = 0
  let waiting = 0

  const partyOf = (name: string): Party => {
    const party = parties.get(name) ?? { running: 0, waiting: [], done: 0, size: 0 }
    parties.set(name, party)
    return party
  }
  const isLarge = ({ done, size }: Party) => done > 0 && size / done > limits.largeSize
  const mayRun = (party: Party) =>
    running < limits.places && (!isLarge(party) || party.running < limits.placesOfLarge)

  const start = (party: Party) => {
    running += 1
    party.running += 1
  }

  const remove = (party: Party, waiter: Waiter): void => {
    party.waiting.splice(party.waiting.indexOf(waiter), 1)
    waiting -= 1
  }

  /** Lets in whoever has a place now, one of each party in turn. */
  const admit = (): void => {
    for (let next = nextParty(); next; next = nextParty()) {
      const [name, party] = next
      const waiter = party.waiting[0]!
      remove(party, waiter)
      parties.delete(name)
      parties.set(name, party)
      start(party)
      waiter.go()
    }
  }
  const nextParty = () => {
    if (running >= limits.places || waiting === 0) return undefined
    for (const entry of parties) if (entry[1].waiting.length > 0 && mayRun(entry[1])) return entry
    return undefined
  }

  /** The last to come are the first to be refused. */
  const refuseExcess = (party: Party): void => {
    if (!isLarge(party)) return
    const refusable = party.waiting.filter(({ isSteady }) => !isSteady)
    const excess = party.running + party.waiting.length - limits.mostOfLarge
    if (excess <= 0) return
    for (const waiter of refusable.slice(-excess)) {
      remove(party, waiter)
      waiter.refuse('busy')
    }
  }

  const refusalOf = (party: Party, { isSteady }: Pick<Waiter, 'isSteady'>): Refusal | undefined => {
    if (isSteady) return undefined
    if (isLarge(party) && party.running + party.waiting.length >= limits.mostOfLarge) return 'busy'
    return waiting >= limits.longestQueue ? 'full' : undefined
  }

  const wait = async (party: Party, how: Waiting): Promise<void> => {
    const refused = refusalOf(party, how)
    if (refused) throw new TurnRefused(refused)
    const signal = how.signal()
    if (signal.aborted) throw new TurnRefused('left')
    const come = createDeferred<undefined>()
    const refuse = (why: Refusal) => {
      come.reject(new TurnRefused(why))
    }
    const go = () => {
      come.resolve(undefined)
    }
    const waiter = { go, refuse, isSteady: how.isSteady }
    const leave = () => {
      remove(party, waiter)
      refuse('left')
    }
    signal.addEventListener('abort', leave, { once: true })
    party.waiting.push(waiter)
    waiting += 1
    await come.promise.finally(() => {
      signal.removeEventListener('abort', leave)
    })
  }

  const forgetIfIdle = (name: string, party: Party): void => {
    if (party.running === 0 && party.waiting.length === 0) parties.delete(name)
  }

  const end = (name: string, party: Party, size: number): void => {
    running -= 1
    party.running -= 1
    party.done += 1
    party.size += size
    refuseExcess(party)
    forgetIfIdle(name, party)
    admit()
  }

  return {
    /**
     * Runs the work when its turn comes.
     * @param how.sizeOf what the work turned out to be
     * @throws TurnRefused, and what the work throws
     */
    async run<T>(
      name: string,
      work: () => Promise<T>,
      how: Waiting & { sizeOf: (done: T) => number },
    ): Promise<T> {
      const party = partyOf(name)
      if (party.waiting.length === 0 && mayRun(party)) start(party)
      else await wait(party, how).finally(() => forgetIfIdle(name, party))
      let size = 0
      try {
        const done = await work()
        size = how.sizeOf(done)
        return done
      } finally {
        end(name, party, size)
      }
    },

    /** How much is under way and waits, of all parties. */
    load: () => ({ running, waiting, parties: parties.size }),
  }
}
