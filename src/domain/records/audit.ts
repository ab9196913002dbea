import type { AuditEventName } from '../../../generated/api.ts'
import type { Dependencies } from '../dependencies.ts'
import type { AuditEvent, AuditFilter, Nouns } from '../../store/store.ts'
import type { Call } from '../calls/call.ts'
import type { CursorPosition } from '../lists/cursors.ts'
import { type Page, type PageRequest, readPage } from '../lists/paging.ts'
import type { Principal } from '../access/principal.ts'

export type Audit = ReturnType<typeof createAudit>

/** An act, as whoever carries it out tells it. */
export type Act = {
  event: AuditEventName
  /** Nobody where the act was refused before it was known who acts. */
  actor?: AuditParty
  target?: AuditParty
  /** Whose the target is, where it is a session or a key. */
  accountId?: string
  /** The properties that a change touched. */
  changed?: readonly string[]
}
export type AuditParty = {
  kind: 'user' | 'service-account' | 'session' | 'api-key'
  id: string
}

/** Where an act comes from. */
export type ActCall = Pick<Call, 'requestId' | 'address' | 'auditable'>

/** What the record of acts says, for those who may read it. */
export function createAudit({
  store,
  clock,
  ids,
  cursors,
}: Pick<Dependencies, 'store' | 'clock' | 'ids' | 'cursors'>) {
  const eventOf = (
    call: ActCall,
    { event, actor, target, accountId, changed }: Act,
  ): AuditEvent => {
    if (!call.auditable.includes(event)) {
      throw new Error(`x-audit of the operation does not name ${event}`)
    }
    return {
      id: ids.next(),
      at: clock.now(),
      event,
      ...(actor && { actorKind: actor.kind, actorId: actor.id }),
      ...(target && { targetKind: target.kind, targetId: target.id }),
      ...(accountId !== undefined && { accountId }),
      changed: [...(changed ?? [])],
      ...(call.address !== '' && { address: call.address }),
      requestId: call.requestId,
    }
  }

  return {
    /** Records an act in the transaction that carries it out, so that both are kept or neither. */
    async record(nouns: Pick<Nouns, 'auditEvents'>, call: ActCall, act: Act): Promise<void> {
      await nouns.auditEvents.add(eventOf(call, act))
    },

    /** Records what was refused, or what changed nothing. */
    async recordAlone(call: ActCall, act: Act): Promise<void> {
      await store.auditEvents.add(eventOf(call, act))
    },

    /** The newest first. */
    list({
      event,
      actorId,
      targetId,
      ...page
    }: PageRequest & Omit<AuditFilter, 'limit' | 'after'>): Promise<Page<AuditEvent>> {
      const filter = {
        ...(event !== undefined && { event }),
        ...(actorId !== undefined && { actorId }),
        ...(targetId !== undefined && { targetId }),
      }
      const list = {
        filters: { list: 'audit-events', ...filter },
        read: (limit: number, after?: CursorPosition) =>
          store.auditEvents.list({
            ...filter,
            limit,
            ...(after && { after: { at: new Date(Number(after[0])), id: String(after[1]) } }),
          }),
        positionOf: (one: AuditEvent) => [one.at.getTime(), one.id],
      }
      return readPage(cursors, list, page)
    },
  }
}

/** A caller as the record names it. */
export function actorOf({ id, role }: Pick<Principal, 'id' | 'role'>): AuditParty {
  return { kind: role === 'service' ? 'service-account' : 'user', id }
}
