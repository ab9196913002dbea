import type { Nouns, Session } from '../../store/store.ts'
import { found } from '../access/access.ts'
import type { SessionPrincipal } from '../access/principal.ts'
import type { Revocations } from '../access/revocations.ts'
import type { Call } from '../calls/call.ts'
import type { Dependencies } from '../dependencies.ts'
import type { CursorPosition } from '../lists/cursors.ts'
import { type Page, type PageRequest, readPage } from '../lists/paging.ts'
import { type ActCall, actorOf, type Audit, type AuditParty } from '../records/audit.ts'

type Deps = Pick<Dependencies, 'store' | 'clock' | 'cursors'> & {
  revocations: Revocations
  audit: Audit
}

/** Lists where a caller is logged in, and logs it out. */
export class OpenSessions {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** The most recently used first. */
  list(caller: SessionPrincipal, page: PageRequest): Promise<Page<Session>> {
    const { store, clock, cursors } = this.#deps
    const accountId = caller.id
    const list = {
      filters: { list: 'sessions', accountId },
      read: (limit: number, after?: CursorPosition) =>
        store.sessions.listLive({ accountId, now: clock.now(), limit, ...afterUse(after) }),
      positionOf: (session: Session) => [session.lastUsedAt.getTime(), session.id],
    }
    return readPage(cursors, list, page)
  }

  /** Revokes one session of the caller. @throws {Problem} not-found */
  async end(caller: SessionPrincipal, id: string, call: Call): Promise<void> {
    const [ended] = await this.#revoke(caller, { id }, call)
    found(ended)
  }

  /** Revokes sessions of the caller; their tokens are refused from now on. */
  async logOut(
    caller: SessionPrincipal,
    scope: 'current' | 'others' | 'all',
    call: Call,
  ): Promise<void> {
    if (scope === 'current') await this.#revoke(caller, { id: caller.sessionId }, call)
    if (scope === 'others') await this.#revoke(caller, { exceptId: caller.sessionId }, call)
    if (scope === 'all') await this.#revoke(caller, {}, call)
  }

  async #revoke(
    caller: SessionPrincipal,
    which: { id: string } | { exceptId?: string },
    call: Call,
  ): Promise<string[]> {
    const { store, clock, audit, revocations } = this.#deps
    const now = clock.now()
    const revoked = await store.atomically(async (nouns) => {
      const ids = await nouns.sessions.revokeOwned({ accountId: caller.id, now, ...which })
      const by = { accountId: caller.id, actor: actorOf(caller) }
      await recordRevoked(nouns, audit, { ...by, ids, call })
      return ids
    })
    for (const id of revoked) revocations.add(id, now)
    return revoked
  }
}

/** Records an audit event for each revoked session. */
export async function recordRevoked(
  nouns: Nouns,
  audit: Audit,
  of: { accountId: string; actor?: AuditParty; ids: readonly string[]; call: ActCall },
): Promise<void> {
  const { ids, call, ...by } = of
  for (const id of ids) {
    const target = { kind: 'session', id } as const
    await audit.record(nouns, call, { event: 'session.revoked', target, ...by })
  }
}

function afterUse(position: CursorPosition | undefined) {
  if (!position) return {}
  const [lastUsedMs, id] = position
  return { after: { lastUsedAt: new Date(Number(lastUsedMs)), id: String(id) } }
}
