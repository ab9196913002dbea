import type { AuditEvent, AuditEventName } from '../../../generated/api.ts'
import type { Client } from '../../support/client.ts'

/** An actor, a target or an account, as an event names it. */
export type Party = { kind: string; id: string }

/** What an event must hold, apart from what every event of a call shares. */
export type ExpectedEvent = Pick<AuditEvent, 'event'> & {
  actor?: Party
  target?: Party
  account?: Party
  changed?: string[]
}

type CallResult = { status: number; headers: Record<string, string>; body: unknown }

/** A call that is ready to be made, and the events that it must leave. */
export type PreparedCall = {
  call: () => Promise<CallResult>
  /** @param body of the response */
  expected: (body: { id: string }) => ExpectedEvent[]
}

/** One way to make a call that the audit log records. */
export type Recipe = {
  /** Completes the operation id to a title, such as `by an administrator`. */
  name: string
  /** The call is refused or only reads, so the event is all that it stores. */
  changesNothingElse?: true
  /** The call closes the account of its actor, which deletes the address of the event. */
  hasNoAddress?: true
  prepare: () => Promise<PreparedCall>
}

/** The recipes of each operation, by its id. */
export type Recipes = Record<string, Recipe[]>

/** The events that stand for a refusal. */
export const REFUSALS: AuditEventName[] = [
  'password.refused',
  'refresh-token.reused',
  'session.refused',
]

export const user = (id: string): Party => ({ kind: 'user', id })
export const serviceAccount = (id: string): Party => ({ kind: 'service-account', id })
export const apiKey = (id: string): Party => ({ kind: 'api-key', id })
export const sessionOf = ({ identity }: Client): Party => ({
  kind: 'session',
  id: identity.sessionId,
})
