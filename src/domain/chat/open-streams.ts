import type { Dependencies } from '../dependencies.ts'
import type { Call } from '../calls/call.ts'
import type { Principal } from '../access/principal.ts'
import { Problem } from '../problem.ts'

/** What a refusal names: it is no policy of the contract, for it counts nothing over time. */
export const STREAMS_LIMIT = 'streams'
/** When a caller may try again: streams end when their answers do. */
const RETRY_SECONDS = 5
/** The places of an instance that does not say for so long that it lives are free. */
const LEASE_MS = 30_000
const RENEW_EVERY_MS = 10_000
/** A place that is over may be renewed by whoever could not reach the database: it is kept so long. */
const FORGET_AFTER_MS = 3_600_000

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids'>

/**
 * How many streams each caller has open. An embedded server counts in memory; several instances
 * count together in the database, once for each stream.
 * @param most that one caller may have
 */
export function createOpenStreams({ store, clock, ids }: Deps, most: number) {
  const here = new Map<string, number>()
  const places = new Set<string>()

  const leaseEnd = () => new Date(clock.now().getTime() + LEASE_MS)

  const takeHere = (caller: Principal, call: Call): void => {
    const now = here.get(caller.id) ?? 0
    if (now >= most) throw tooMany()
    here.set(caller.id, now + 1)
    call.whenOver(() => {
      const left = (here.get(caller.id) ?? 1) - 1
      if (left > 0) here.set(caller.id, left)
      else here.delete(caller.id)
    })
  }

  const takeShared = async (caller: Principal, call: Call): Promise<void> => {
    const id = ids.next()
    const place = { id, accountId: caller.id, most, now: clock.now(), until: leaseEnd() }
    if (!(await store.atomically((nouns) => nouns.openStreams.take(place)))) throw tooMany()
    places.add(id)
    call.whenOver(() => {
      places.delete(id)
      // If the database is away, the lease ends it.
      store.openStreams.release(id).catch(() => undefined)
    })
  }

  return {
    /** Takes a place until the call is over. @throws {Problem} too-many-streams */
    async take(caller: Principal, call: Call): Promise<void> {
      takeHere(caller, call)
      if (!store.embedded) await takeShared(caller, call)
    },

    /** How many are open on this instance. */
    count: (): number => [...here.values()].reduce((sum, open) => sum + open, 0),

    /** Says that this instance lives, until the returned function is called. */
    keepUp: (onError: (error: unknown) => void): (() => void) =>
      clock.every(
        RENEW_EVERY_MS,
        async () => {
          if (places.size === 0) return
          await store.openStreams.renew({ ids: [...places], until: leaseEnd() })
        },
        onError,
      ),

    async prune(): Promise<void> {
      const overBefore = new Date(clock.now().getTime() - FORGET_AFTER_MS)
      if (!store.embedded) await store.openStreams.deleteExpired(overBefore)
    },
  }
}

function tooMany(): Problem {
  return new Problem('too-many-streams', {
    violatedPolicies: [STREAMS_LIMIT],
    retryAfterSeconds: RETRY_SECONDS,
  })
}
