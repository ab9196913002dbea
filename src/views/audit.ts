import type {
  AuditEvent as AuditEventSchema,
  AuditEventName,
  AuditEventPage,
} from '../../generated/api.ts'
import type { Page } from '../domain/lists/paging.ts'
import type { AuditEvent } from '../store/store.ts'
import { timestampView } from './timestamp.ts'

/** The events of acts that were refused; all others were carried out. */
const REFUSALS: readonly string[] = [
  'password.refused',
  'refresh-token.reused',
  'session.refused',
] satisfies AuditEventName[]

/** The casts are safe: `domain/records/audit.ts` records only the contract's names and kinds. */
export function auditEventView(event: AuditEvent): AuditEventSchema {
  const { actorKind, actorId, targetKind, targetId, accountId, changed, address } = event
  return {
    id: event.id,
    at: timestampView(event.at),
    event: event.event as AuditEventName,
    outcome: REFUSALS.includes(event.event) ? 'refused' : 'done',
    ...(actorKind !== undefined &&
      actorId !== undefined && { actor: { kind: actorKind as Actor, id: actorId } }),
    ...(targetKind !== undefined &&
      targetId !== undefined && { target: { kind: targetKind as Target, id: targetId } }),
    ...(accountId !== undefined && {
      account: { kind: targetKind === 'api-key' ? 'service-account' : 'user', id: accountId },
    }),
    ...(changed.length > 0 && { changed: changed as Changed }),
    ...(address !== undefined && { address }),
    requestId: event.requestId,
  }
}

export function auditEventPageView({ data, nextCursor }: Page<AuditEvent>): AuditEventPage {
  return { data: data.map(auditEventView), ...(nextCursor !== undefined && { nextCursor }) }
}

type Actor = NonNullable<AuditEventSchema['actor']>['kind']
type Target = NonNullable<AuditEventSchema['target']>['kind']
type Changed = NonNullable<AuditEventSchema['changed']>
