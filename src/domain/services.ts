import type { Config } from '../config.ts'
import type { Policies } from '../contract/policies.ts'
import type { Dependencies } from '../dependencies.ts'
import { createAccess } from './access.ts'
import { createAccounts } from './accounts.ts'
import { createConversations } from './conversations.ts'
import { createFeedback } from './feedback.ts'
import { createGenerations } from './generations.ts'
import { createLimits } from './limits.ts'
import { createOpenSessions } from './open-sessions.ts'
import { createPasswordPolicy } from './password-policy.ts'
import { createProfiles } from './profiles.ts'
import { createRevocations } from './revocations.ts'
import { createServerStatus } from './server-status.ts'
import { createSessions } from './sessions.ts'
import { createUsage } from './usage.ts'

/** What the program does, one service for each noun. */
export type Services = ReturnType<typeof createServices>

export function createServices(
  deps: Dependencies,
  policies: Policies,
  config: Pick<Config, 'identity' | 'limits'>,
  version: string,
) {
  const access = createAccess(deps.store)
  const limits = createLimits(policies.limits, config.limits.overrides, deps.limiter)
  const revocations = createRevocations(deps, config.identity.accessTokenTtlSeconds)
  const { refreshTokenTtlSeconds: refreshTtlSeconds, registration } = config.identity
  const passwordPolicy = createPasswordPolicy(deps.commonPasswords)
  return {
    limits,
    revocations,
    status: createServerStatus({ ...deps, version }),
    sessions: createSessions({ ...deps, limits, revocations, refreshTtlSeconds }),
    openSessions: createOpenSessions({ ...deps, revocations }),
    accounts: createAccounts({
      ...deps,
      access,
      limits,
      revocations,
      passwordPolicy,
      registration,
    }),
    conversations: createConversations({ ...deps, access }),
    generations: createGenerations(deps),
    feedback: createFeedback(deps),
    profiles: createProfiles({ ...deps, access }),
    usage: createUsage({ ...deps, limits }),
  }
}
