import type { Config } from '../config.ts'
import type { Policies } from '../contract/policies.ts'
import type { Dependencies } from '../dependencies.ts'
import { createAccess } from './access.ts'
import { createAccountChanges, noteChange } from './account-changes.ts'
import { createAccountClosing } from './account-closing.ts'
import { createAccounts } from './accounts.ts'
import { createApiKeyCredentials, KEY_BELIEVED_SECONDS } from './api-key-credentials.ts'
import { createApiKeys } from './api-keys.ts'
import { createAudit } from './audit.ts'
import { createCallerWatch } from './caller-watch.ts'
import { createConversations } from './conversations.ts'
import { createExports } from './exports.ts'
import { createFeedback } from './feedback.ts'
import { createGenerations } from './generations.ts'
import { createIdempotency } from './idempotency.ts'
import { createLargeReads } from './large-reads.ts'
import { createLimits } from './limits.ts'
import { createNewPasswords } from './new-passwords.ts'
import { createOpenSessions } from './open-sessions.ts'
import { createOpenStreams } from './open-streams.ts'
import { createPasswordPolicy } from './password-policy.ts'
import { createPasswordResets } from './password-resets.ts'
import { createProfiles } from './profiles.ts'
import { createRevocations } from './revocations.ts'
import { createServerStatus } from './server-status.ts'
import { createServiceAccounts } from './service-accounts.ts'
import { createSessions } from './sessions.ts'
import { createStanding } from './standing.ts'
import { createUsage } from './usage.ts'
import { createUsers } from './users.ts'

/** What the program does, one service for each noun. */
export type Services = ReturnType<typeof createServices>

export function createServices(
  deps: Dependencies,
  policies: Policies,
  config: Pick<Config, 'identity' | 'limits'>,
  version: string,
) {
  const { accessTokenTtlSeconds: ttlSeconds, ...identity } = config.identity
  const access = createAccess(deps.store)
  const audit = createAudit(deps)
  const revocations = createRevocations(deps, ttlSeconds)
  const standing = createStanding(deps, Math.max(ttlSeconds, KEY_BELIEVED_SECONDS))
  const limits = createLimits(policies.limits, config.limits.overrides, deps.limiter, standing)
  const largeReads = createLargeReads(deps)
  const credentials = createApiKeyCredentials({ ...deps, limits, standing })
  const generations = createGenerations(deps)
  const { stopOf: stopGenerating } = generations
  const closing = createAccountClosing({ ...deps, audit, standing, stopGenerating, ttlSeconds })
  const hashNewPassword = createNewPasswords(
    createPasswordPolicy(deps.commonPasswords),
    deps.passwords,
  )
  const changes = createAccountChanges({ ...deps, audit, standing })
  const identityParts = { access, audit, limits, revocations, closing, changes, hashNewPassword }
  const shared = { ...deps, ...identityParts, largeReads }
  return {
    limits,
    revocations,
    standing,
    credentials,
    closing,
    audit,
    generations,
    idempotency: createIdempotency(deps),
    openStreams: createOpenStreams(deps, config.limits.maxOpenStreams),
    callerWatch: createCallerWatch({ ...deps, standing, revocations, credentials }),
    status: createServerStatus({ ...deps, version }),
    sessions: createSessions({ ...shared, refreshTtlSeconds: identity.refreshTokenTtlSeconds }),
    openSessions: createOpenSessions(shared),
    passwordResets: createPasswordResets({
      ...deps,
      audit,
      note: {
        ended: (ids, at) => ids.forEach((id) => revocations.note(id, at)),
        changed: (account) => noteChange(standing, account),
      },
    }),
    accounts: createAccounts({ ...shared, registration: identity.registration }),
    users: createUsers(shared),
    serviceAccounts: createServiceAccounts(shared),
    apiKeys: createApiKeys({ ...shared, credentials }),
    conversations: createConversations(shared),
    exports: createExports(shared),
    largeReads,
    feedback: createFeedback(shared),
    profiles: createProfiles(shared),
    usage: createUsage(shared),
  }
}
