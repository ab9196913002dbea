import { accountVerbs } from './accounts/accounts.ts'
import { closedAccountVerbs } from './accounts/closed-accounts.ts'
import { standingVerbs } from './accounts/standings.ts'
import { apiKeyVerbs } from './api-keys/api-keys.ts'
import { auditEventVerbs } from './audit-events/audit-events.ts'
import { conversationVerbs } from './conversations/conversations.ts'
import type { Client } from './database/query.ts'
import { guarded, type Guarding } from './database/unavailable.ts'
import { feedbackVerbs } from './feedback/feedback.ts'
import { generationVerbs } from './generations/generations.ts'
import { idempotencyKeyVerbs } from './idempotency-keys/idempotency-keys.ts'
import { messageVerbs } from './messages/messages.ts'
import { nounOf } from './noun.ts'
import { openStreamVerbs } from './open-streams/open-streams.ts'
import { sessionVerbs } from './sessions/sessions.ts'
import { usageVerbs } from './usage/usage.ts'

/** What is stored: about one noun for each table. */
export type Nouns = ReturnType<typeof nounsOf>

export function nounsOf(client: Client, guarding: Guarding) {
  return {
    accounts: guarded(nounOf(client, accountVerbs), guarding),
    standings: guarded(nounOf(client, standingVerbs), guarding),
    closedAccounts: guarded(nounOf(client, closedAccountVerbs), guarding),
    sessions: guarded(nounOf(client, sessionVerbs), guarding),
    apiKeys: guarded(nounOf(client, apiKeyVerbs), guarding),
    auditEvents: guarded(nounOf(client, auditEventVerbs), guarding),
    conversations: guarded(nounOf(client, conversationVerbs), guarding),
    messages: guarded(nounOf(client, messageVerbs), guarding),
    openStreams: guarded(nounOf(client, openStreamVerbs), guarding),
    idempotencyKeys: guarded(nounOf(client, idempotencyKeyVerbs), guarding),
    generations: guarded(nounOf(client, generationVerbs), guarding),
    usage: guarded(nounOf(client, usageVerbs), guarding),
    feedback: guarded(nounOf(client, feedbackVerbs), guarding),
  }
}
