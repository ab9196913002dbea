import type { Policies } from '../contract/policy.ts'
import type { Dependencies } from './dependencies.ts'
import { createAccess } from './access.ts'
import { createAccountChanges, noteChange } from './accounts/account-changes.ts'
import { createAccountClosing } from './accounts/account-closing.ts'
import { createAccounts } from './accounts/accounts.ts'
import { createApiKeyCredentials, KEY_BELIEVED_SECONDS } from './identity/api-key-credentials.ts'
import { createApiKeys } from './identity/api-keys.ts'
import { createAudit } from './records/audit.ts'
import { createCallerWatch } from './identity/caller-watch.ts'
import { createConversations } from './conversations/conversations.ts'
import { createExports } from './records/exports.ts'
import { createFeedback } from './conversations/feedback.ts'
import { createGenerations } from './chat/generations.ts'
import { Idempotency } from './calls/idempotency.ts'
import { createLargeReads } from './records/large-reads.ts'
import { createLimits, type LimitOverrides } from './limits/limits.ts'
import { createNewPasswords } from './identity/new-passwords.ts'
import { createOpenSessions } from './identity/open-sessions.ts'
import { createOpenStreams } from './chat/open-streams.ts'
import { createPasswordPolicy } from './identity/password-policy.ts'
import { createPasswordResets } from './identity/password-resets.ts'
import { createProfiles } from './accounts/profiles.ts'
import { createRevocations } from './identity/revocations.ts'
import { createServerStatus } from './server/server-status.ts'
import { createServiceAccounts } from './accounts/service-accounts.ts'
import { createSessions } from './identity/sessions.ts'
import { createStanding } from './accounts/standing.ts'
import { createUsage } from './records/usage.ts'
import { createUsers } from './accounts/users.ts'

/** What the operator decides of the domain. Source: the configuration. */
export type Settings = {
  identity: {
    accessTokenTtlSeconds: number
    refreshTokenTtlSeconds: number
    registration: 'open' | 'closed'
  }
  limits: { overrides: LimitOverrides; maxOpenStreams: number }
}

/** What the program does, one service for each noun. */
export type Services = ReturnType<typeof createServices>

export function createServices(
  deps: Dependencies,
  policies: Policies,
  settings: Settings,
  version: string,
) {
  const { accessTokenTtlSeconds: ttlSeconds, ...identity } = settings.identity
  const access = createAccess(deps.store)
  const audit = createAudit(deps)
  const revocations = createRevocations(deps, ttlSeconds)
  const standing = createStanding(deps, Math.max(ttlSeconds, KEY_BELIEVED_SECONDS))
  const limits = createLimits(policies.limits, settings.limits.overrides, deps.limiter, standing)
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
    idempotency: new Idempotency(deps),
    openStreams: createOpenStreams(deps, settings.limits.maxOpenStreams),
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
