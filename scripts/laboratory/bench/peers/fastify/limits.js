import { RateLimiterMemory } from 'rate-limiter-flexible'
import { fromParley } from '../shared/parley.js'

/** The limits of the contract, with quotas that no run exceeds. */
const QUOTA = 100_000_000
const WINDOWS = { anonymous: 3600, user: 3600, chat: 60 }

/**
 * Counts in memory; with DATABASE_URL, in PostgreSQL with Parley's statement, one for each call. With
 * LIMITS=together, uses Parley's own limiter, which sends one statement for all calls that arrive while the
 * previous one is in progress.
 */
export async function createLimits() {
  const counters = process.env.DATABASE_URL ? await inPostgres() : inMemory()
  const countersOf = (policies, req) =>
    policies.map((name) => ({
      name,
      subject: req.principal?.id ?? req.ip,
      quota: QUOTA,
      windowSeconds: WINDOWS[name],
    }))
  return {
    peek: (policies, req) => counters.peek(countersOf(policies, req)),
    charge: (policies) => async (req, reply) => {
      const tallies = await counters.take(countersOf(policies, req))
      const says = (show) => tallies.map((tally, i) => `"${policies[i]}";${show(tally)}`).join(', ')
      reply.header(
        'RateLimit-Policy',
        says(({ quota, windowSeconds }) => `q=${quota};w=${windowSeconds}`),
      )
      reply.header(
        'RateLimit',
        says(({ remaining, resetsInMs }) => `r=${remaining};t=${Math.ceil(resetsInMs / 1000)}`),
      )
      if (tallies.some(({ spent }) => spent)) {
        throw Object.assign(new Error('Too Many Requests'), { statusCode: 429 })
      }
    },
  }
}

async function inPostgres() {
  const { PostgresLimiter } = await fromParley('ports/limiter/postgres.js')
  const { openLimitCounters } = await fromParley('store/limit-counters.js')
  const table = openLimitCounters(process.env.DATABASE_URL)
  if (process.env.LIMITS === 'together') return new PostgresLimiter(table)
  const keyOf = ({ name, subject, windowSeconds }) => `${name}:${windowSeconds}:${subject}`
  const tallyOf = ({ quota, windowSeconds }, count) => ({
    quota,
    windowSeconds,
    remaining: Math.max(0, quota - (count?.consumed ?? 0)),
    resetsInMs: count?.resetsInMs ?? windowSeconds * 1000,
    spent: count !== undefined && count.consumed > quota,
  })
  return {
    async take(counters) {
      const asked = counters.map((counter) => ({ ...counter, key: keyOf(counter), points: 1 }))
      const [counts] = await table.take([asked])
      return counters.map((counter, i) => tallyOf(counter, counts[i]))
    },
    async peek(counters) {
      const counts = await table.find(counters.map(keyOf))
      return counters.map((counter, i) => tallyOf(counter, counts[i]))
    },
  }
}

function inMemory() {
  const limiters = Object.fromEntries(
    Object.entries(WINDOWS).map(([name, duration]) => [
      name,
      new RateLimiterMemory({ keyPrefix: name, points: QUOTA, duration }),
    ]),
  )
  const tallyOf = ({ quota, windowSeconds }, state, spent) => ({
    quota,
    windowSeconds,
    remaining: state ? state.remainingPoints : quota,
    resetsInMs: state ? state.msBeforeNext : windowSeconds * 1000,
    spent,
  })
  return {
    take: (counters) =>
      Promise.all(
        counters.map((counter) =>
          limiters[counter.name].consume(counter.subject).then(
            (state) => tallyOf(counter, state, false),
            (state) => tallyOf(counter, state, true),
          ),
        ),
      ),
    peek: (counters) =>
      Promise.all(
        counters.map(async (counter) =>
          tallyOf(counter, await limiters[counter.name].get(counter.subject), false),
        ),
      ),
  }
}
