import type { AuditEventName } from '../../../generated/api.ts'
import type { AuditEvent, AuditFilter, Nouns } from '../../store/store.ts'
import type { Principal } from '../access/principal.ts'
import type { Call } from '../calls/call.ts'
import type { Dependencies } from '../dependencies.ts'
import type { CursorPosition } from '../lists/cursors.ts'
import { type Page, type PageRequest, readPage } from '../lists/paging.ts'

/** An act to be recorded. */
export type Act = {
  event: AuditEventName
  /** Absent when the act was refused before the caller was known. */
  actor?: AuditParty
  target?: AuditParty
  /** The account of the target, where that is a session or an API key. */
  accountId?: string
  /** The properties that a change affected. */
  changed?: readonly string[]
}
export type AuditParty = {
  kind: 'user' | 'service-account' | 'session' | 'api-key'
  id: string
}

/** The call that an act belongs to. */
export type ActCall = Pick<Call, 'requestId' | 'address' | 'auditable'>

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'cursors'>
type AuditQuery = PageRequest & Omit<AuditFilter, 'limit' | 'after'>

/** The audit log. */
export class Audit {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Records an act in the transaction that carries it out, so that both are kept or neither. */
  async record(nouns: Pick<Nouns, 'auditEvents'>, call: ActCall, act: Act): Promise<void> {
    await nouns.auditEvents.add(this.#eventOf(call, act))
  }

  /** Records an act that was refused, or that changed nothing. */
  async recordAlone(call: ActCall, act: Act): Promise<void> {
    await this.#deps.store.auditEvents.add(this.#eventOf(call, act))
  }

  /** The newest first. */
  list({ event, actorId, targetId, ...page }: AuditQuery): Promise<Page<AuditEvent>> {
    const { store, cursors } = this.#deps
    const filter = {
      ...(event !== undefined && { event }),
      ...(actorId !== undefined && { actorId }),
      ...(targetId !== undefined && { targetId }),
    }
    const list = {
      filters: { list: 'audit-events', ...filter },
      read: (limit: number, after?: CursorPosition) =>
        store.auditEvents.list({ ...filter, limit, ...afterEvent(after) }),
      positionOf: (one: AuditEvent) => [one.at.getTime(), one.id],
    }
    return readPage(cursors, list, page)
  }

  #eventOf(call: ActCall, { event, actor, target, accountId, changed }: Act): AuditEvent {
    if (!call.auditable.includes(event)) {
      throw new Error(`x-audit of the operation does not name ${event}`)
    }
    return {
      id: this.#deps.ids.next(),
      at: this.#deps.clock.now(),
      event,
      ...(actor && { actorKind: actor.kind, actorId: actor.id }),
      ...(target && { targetKind: target.kind, targetId: target.id }),
      ...(accountId !== undefined && { accountId }),
      changed: [...(changed ?? [])],
      ...(call.address !== '' && { address: call.address }),
      requestId: call.requestId,
    }
  }
}

/** A caller or an account as the audit log names it. */
export function actorOf({ id, role }: Pick<Principal, 'id' | 'role'>): AuditParty {
  return { kind: role === 'service' ? 'service-account' : 'user', id }
}

function afterEvent(position: CursorPosition | undefined) {
  if (!position) return {}
  const [atMs, id] = position
  return { after: { at: new Date(Number(atMs)), id: String(id) } }
}
