import { agreeOnTime } from './open-dependencies.ts'
import type { World } from './world.ts'
import type { PasswordReset } from '../domain/identity/password-resets.ts'
import type { Services } from '../domain/services.ts'

const HOUR_MS = 3_600_000
/** A clock may be set, or its machine may sleep: leases are longer than this. */
const AGREE_EVERY_MS = 10_000

/** The feeds by which this instance learns what others changed. */
export function feedsOf({ revocations, accountStatus, credentials }: Services) {
  return [revocations.feed, accountStatus.feed, credentials.feed]
}

/**
 * Starts everything that runs without a call.
 * @returns stops it
 */
export function startJobs(services: Services, deps: World): () => void {
  const { log, clock, keys, operatorRequests } = deps
  const onError = (error: unknown) => {
    log.error({ err: error }, 'background work failed')
  }
  // Only `commands/reset-password` writes requests.
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
    clock.every(HOUR_MS, () => prune(services, deps), onError),
    clock.every(AGREE_EVERY_MS, () => agreeOnTime(deps), onError),
  ]
  return () => {
    for (const stop of jobs) stop()
  }
}

async function prune(services: Services, { store, clock, limiter }: World): Promise<void> {
  await store.sessions.deleteExpired(clock.now())
  await services.closure.sweepAll()
  await services.idempotency.prune()
  await services.openStreams.prune()
  await limiter.prune()
}
