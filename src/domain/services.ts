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
import { Idempotency } from './calls/idempotency.ts'
import { Generations } from './chat/generations.ts'
import { OpenStreams } from './chat/open-streams.ts'
import { Conversations } from './conversations/conversations.ts'
import { AnswerFeedback } from './conversations/feedback.ts'
import type { Dependencies } from './dependencies.ts'
import { ApiKeyCredentials, KEY_CACHED_SECONDS } from './identity/api-key-credentials.ts'
import { ApiKeys } from './identity/api-keys.ts'
import { createNewPasswords } from './identity/new-passwords.ts'
import { OpenSessions } from './identity/open-sessions.ts'
import { createPasswordPolicy } from './identity/password-policy.ts'
import { PasswordResets } from './identity/password-resets.ts'
import { Sessions } from './identity/sessions.ts'
import { type LimitOverrides, Limits } from './limits/limits.ts'
import { LargeReads } from './lists/large-reads.ts'
import { Audit } from './records/audit.ts'
import { Exports } from './records/exports.ts'
import { UsageReports } from './records/usage.ts'
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
  const { registration, refreshTokenTtlSeconds: refreshTtlSeconds } = settings.identity
  const foundations = createFoundations(deps, policies, settings)
  const { audit, revocations, accountStatus } = foundations
  const shared = { ...deps, ...foundations, ...createAccountParts(deps, foundations, settings) }
  return {
    accessMonitor: new AccessMonitor(shared),
    accounts: new Accounts({ ...shared, registration }),
    accountStatus,
    apiKeys: new ApiKeys(shared),
    audit,
    closure: shared.closure,
    conversations: new Conversations(shared),
    credentials: shared.credentials,
    exports: new Exports(shared),
    feedback: new AnswerFeedback(shared),
    generations: shared.generations,
    idempotency: new Idempotency(deps),
    largeReads: shared.largeReads,
    limits: shared.limits,
    openSessions: new OpenSessions(shared),
    openStreams: new OpenStreams(deps, settings.limits.maxOpenStreams),
    passwordResets: new PasswordResets({
      ...shared,
      onRevoked: (ids, at) => ids.forEach((id) => revocations.add(id, at)),
      onChanged: (account) => accountStatus.update(statusOf(account)),
    }),
    profiles: new Profiles(shared),
    revocations,
    serviceAccounts: new ServiceAccounts(shared),
    sessions: new Sessions({ ...shared, refreshTtlSeconds }),
    status: new ServerStatus({ ...deps, version }),
    usage: new UsageReports(shared),
    users: new Users(shared),
  }
}

type Foundations = ReturnType<typeof createFoundations>

/** What other services are built on. */
function createFoundations(deps: Dependencies, policies: Policies, settings: Settings) {
  const { accessTokenTtlSeconds: ttlSeconds } = settings.identity
  const accountStatus = new AccountStatus(deps, Math.max(ttlSeconds, KEY_CACHED_SECONDS))
  const { overrides } = settings.limits
  const limits = new Limits(policies.limits, overrides, deps.limiter, accountStatus)
  return {
    access: new Access(deps.store),
    accountStatus,
    audit: new Audit(deps),
    credentials: new ApiKeyCredentials({ ...deps, limits, accountStatus }),
    generations: new Generations(deps),
    largeReads: new LargeReads(deps),
    limits,
    revocations: new Revocations(deps, ttlSeconds),
  }
}

/** What the services for accounts share. */
function createAccountParts(
  deps: Dependencies,
  { accountStatus, audit, generations }: Foundations,
  settings: Settings,
) {
  const { accessTokenTtlSeconds: ttlSeconds } = settings.identity
  const policy = createPasswordPolicy(deps.commonPasswords)
  const stopGenerating = (accountId: string) => generations.stopOf(accountId)
  return {
    closure: new AccountClosure({ ...deps, audit, accountStatus, stopGenerating, ttlSeconds }),
    hashNewPassword: createNewPasswords(policy, deps.passwords),
    updates: new AccountUpdates({ ...deps, audit, accountStatus }),
  }
}
