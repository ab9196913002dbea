import { RateLimiterMemory } from 'rate-limiter-flexible'

/** The limits of the contract, with quotas that no run exceeds. */
const QUOTA = 100_000_000
const WINDOWS = { anonymous: 3600, user: 3600, chat: 60 }

const limiters = Object.fromEntries(
  Object.entries(WINDOWS).map(([name, duration]) => [
    name,
    new RateLimiterMemory({ keyPrefix: name, points: QUOTA, duration }),
  ]),
)

/** Counts the call and sets the rate limit headers. */
export function chargeTo(name) {
  return async (req, res, next) => {
    try {
      const state = await limiters[name].consume(req.principal?.id ?? req.ip)
      const seconds = Math.ceil(state.msBeforeNext / 1000)
      res.set('RateLimit-Policy', `"${name}";q=${QUOTA};w=${WINDOWS[name]}`)
      res.set('RateLimit', `"${name}";r=${state.remainingPoints};t=${seconds}`)
      next()
    } catch (refusal) {
      if (refusal instanceof Error) throw refusal
      throw Object.assign(new Error('Too Many Requests'), { status: 429 })
    }
  }
}

/** The remaining quota of the caller. */
export function states(req) {
  const names = req.principal ? ['user', 'chat'] : ['anonymous']
  return Promise.all(
    names.map(async (policy) => {
      const state = await limiters[policy].get(req.principal?.id ?? req.ip)
      return {
        policy,
        quota: QUOTA,
        windowSeconds: WINDOWS[policy],
        remaining: state ? state.remainingPoints : QUOTA,
        resetsInMs: state ? state.msBeforeNext : WINDOWS[policy] * 1000,
      }
    }),
  )
}
