import type { Dependencies } from '../dependencies.ts'
import type { Nouns, Session } from '../../store/store.ts'
import { found } from '../access/access.ts'
import { type ActCall, actorOf, type Audit, type AuditParty } from '../records/audit.ts'
import type { Call } from '../calls/call.ts'
import type { CursorPosition } from '../lists/cursors.ts'
import { type Page, type PageRequest, readPage } from '../lists/paging.ts'
import type { SessionPrincipal } from '../access/principal.ts'
import type { Revocations } from '../access/revocations.ts'

/** Where a caller is logged in, and logging out. */
export function createOpenSessions({
  store,
  clock,
  cursors,
  revocations,
  audit,
}: Pick<Dependencies, 'store' | 'clock' | 'cursors'> & {
  revocations: Revocations
  audit: Audit
}) {
  /** Ends sessions and records each; they are refused here from now on. */
  const end = async (
    caller: SessionPrincipal,
    which: { id: string } | { exceptId?: string },
    call: Call,
  ): Promise<string[]> => {
    const now = clock.now()
    const ended = await store.atomically(async (nouns) => {
      const ids = await nouns.sessions.revokeOwned({ accountId: caller.id, now, ...which })
      const by = { accountId: caller.id, actor: actorOf(caller) }
      await recordRevoked(nouns, audit, { ...by, ids, call })
      return ids
    })
    for (const id of ended) revocations.note(id, now)
    return ended
  }

  return {
    /** The last used first. */
    list(caller: SessionPrincipal, page: PageRequest): Promise<Page<Session>> {
      const accountId = caller.id
      const list = {
        filters: { list: 'sessions', accountId },
        read: (limit: number, after?: CursorPosition) =>
          store.sessions.listLive({
            accountId,
            now: clock.now(),
            limit,
            ...(after && {
              after: { lastUsedAt: new Date(Number(after[0])), id: String(after[1]) },
            }),
          }),
        positionOf: (session: Session) => [session.lastUsedAt.getTime(), session.id],
      }
      return readPage(cursors, list, page)
    },

    /** Ends one session of the caller. @throws {Problem} not-found */
    async end(caller: SessionPrincipal, id: string, call: Call): Promise<void> {
      const [ended] = await end(caller, { id }, call)
      found(ended)
    },

    /** Ends sessions of the caller; they are refused from now on. */
    async logOut(
      caller: SessionPrincipal,
      scope: 'current' | 'others' | 'all',
      call: Call,
    ): Promise<void> {
      if (scope === 'current') await end(caller, { id: caller.sessionId }, call)
      if (scope === 'others') await end(caller, { exceptId: caller.sessionId }, call)
      if (scope === 'all') await end(caller, {}, call)
    },
  }
}

/** Sessions that were ended, however that came: each has its event. */
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
