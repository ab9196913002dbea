import type { Policies } from '../contract/policy.ts'
import { Access } from './access/access.ts'
import { AccessMonitor } from './access/access-monitor.ts'
import { AccountStatus, statusOf } from './access/account-status.ts'
import { Revocations } from './access/revocations.ts'
import { AccountClosure } from './accounts/account-closure.ts'
import { AccountUpdates } from './accounts/account-updates.ts'
import { Accounts } from './accounts/accounts.ts'
import { Profiles } from './accounts/profiles.ts'
import { ServiceAccounts } from './accounts/service-accounts.ts'
import { Users } from './accounts/users.ts'
import { createIdempotency } from './calls/idempotency.ts'
import { createGenerations } from './chat/generations.ts'
import { createOpenStreams } from './chat/open-streams.ts'
import { createConversations } from './conversations/conversations.ts'
import { createFeedback } from './conversations/feedback.ts'
import type { Dependencies } from './dependencies.ts'
import { ApiKeyCredentials, KEY_CACHED_SECONDS } from './identity/api-key-credentials.ts'
import { ApiKeys } from './identity/api-keys.ts'
import { createNewPasswords } from './identity/new-passwords.ts'
import { OpenSessions } from './identity/open-sessions.ts'
import { createPasswordPolicy } from './identity/password-policy.ts'
import { PasswordResets } from './identity/password-resets.ts'
import { Sessions } from './identity/sessions.ts'
import { createLimits, type LimitOverrides } from './limits/limits.ts'
import { LargeReads } from './lists/large-reads.ts'
import { Audit } from './records/audit.ts'
import { Exports } from './records/exports.ts'
import { Usage } from './records/usage.ts'
import { ServerStatus } from './server/server-status.ts'

/** What the operator decides about the domain, from the configuration. */
export type Settings = {
  identity: {
    accessTokenTtlSeconds: number
    refreshTokenTtlSeconds: number
    registration: 'open' | 'closed'
  }
  limits: { overrides: LimitOverrides; maxOpenStreams: number }
}

/** What the program does: one service for each noun. */
export type Services = ReturnType<typeof createServices>

export function createServices(
  deps: Dependencies,
  policies: Policies,
  settings: Settings,
  version: string,
) {
  const { accessTokenTtlSeconds: ttlSeconds, registration } = settings.identity
  const { refreshTokenTtlSeconds: refreshTtlSeconds } = settings.identity
  const audit = new Audit(deps)
  const access = new Access(deps.store)
  const revocations = new Revocations(deps, ttlSeconds)
  const accountStatus = new AccountStatus(deps, Math.max(ttlSeconds, KEY_CACHED_SECONDS))
  const { overrides, maxOpenStreams } = settings.limits
  const limits = createLimits(policies.limits, overrides, deps.limiter, accountStatus)
  const credentials = new ApiKeyCredentials({ ...deps, limits, accountStatus })
  const largeReads = new LargeReads(deps)
  const generations = createGenerations(deps)
  const stopGenerating = (accountId: string) => generations.stopOf(accountId)
  const updates = new AccountUpdates({ ...deps, audit, accountStatus })
  const closure = new AccountClosure({ ...deps, audit, accountStatus, stopGenerating, ttlSeconds })
  const hashNewPassword = createNewPasswords(
    createPasswordPolicy(deps.commonPasswords),
    deps.passwords,
  )
  const shared = { ...deps, access, audit, limits, revocations, largeReads }
  const accountParts = { ...shared, updates, closure, hashNewPassword }
  return {
    ...{ limits, revocations, accountStatus, credentials, closure, audit, generations, largeReads },
    accessMonitor: new AccessMonitor({ ...deps, accountStatus, revocations, credentials }),
    accounts: new Accounts({ ...accountParts, registration }),
    apiKeys: new ApiKeys({ ...shared, credentials }),
    conversations: createConversations(shared),
    exports: new Exports(shared),
    feedback: createFeedback(shared),
    idempotency: createIdempotency(deps),
    openSessions: new OpenSessions(shared),
    openStreams: createOpenStreams(deps, maxOpenStreams),
    passwordResets: new PasswordResets({
      ...{ ...deps, audit },
      onRevoked: (ids, at) => ids.forEach((id) => revocations.add(id, at)),
      onChanged: (account) => accountStatus.update(statusOf(account)),
    }),
    profiles: new Profiles(shared),
    serviceAccounts: new ServiceAccounts(accountParts),
    sessions: new Sessions({ ...shared, refreshTtlSeconds }),
    status: new ServerStatus({ ...deps, version }),
    usage: new Usage(shared),
    users: new Users(accountParts),
  }
}
