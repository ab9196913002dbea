import { agreeOnTime } from './open-dependencies.ts'
import type { World } from './world.ts'
import type { PasswordReset } from '../domain/identity/password-resets.ts'
import type { Services } from '../domain/services.ts'

const HOUR_MS = 3_600_000
/** A clock may be set, or its machine may sleep: leases are longer than that. */
const AGREE_EVERY_MS = 10_000

/** What this instance hears of the others. */
export function feedsOf({ revocations, accountStatus, credentials }: Services) {
  return [revocations.feed, accountStatus.feed, credentials.feed]
}

/**
 * Everything that goes on without a call.
 * @returns what ends it
 */
export function startJobs(services: Services, deps: World): () => void {
  const { log, store, clock, keys, limiter, operatorRequests } = deps
  const onError = (error: unknown) => {
    log.error({ err: error }, 'background work failed')
  }
  const prune = async () => {
    await store.sessions.deleteExpired(clock.now())
    await services.closure.sweepAll()
    await services.idempotency.prune()
    await services.openStreams.prune()
    await limiter.prune()
  }
  // Written by `commands/password-reset.ts` and by nobody else.
  const answerOperator = async (text: string) =>
    JSON.stringify(await services.passwordResets.reset(JSON.parse(text) as PasswordReset))
  const jobs = [
    ...(operatorRequests ? [operatorRequests.follow(answerOperator, onError)] : []),
    services.generations.keepUp(),
    services.idempotency.keepUp(onError),
    services.openStreams.keepUp(onError),
    services.credentials.followUses(onError),
    ...feedsOf(services).map((feed) => feed.follow(onError)),
    keys.follow(),
    clock.every(HOUR_MS, prune, onError),
    clock.every(AGREE_EVERY_MS, () => agreeOnTime(deps), onError),
  ]
  return () => {
    for (const stop of jobs) stop()
  }
}
