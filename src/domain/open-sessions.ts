import type { Dependencies } from '../dependencies.ts'
import type { Session } from '../store/store.ts'
import { found } from './access.ts'
import type { CursorPosition } from './cursors.ts'
import { type Page, type PageRequest, readPage } from './paging.ts'
import type { Principal } from './principal.ts'
import type { Revocations } from './revocations.ts'

export type OpenSessions = ReturnType<typeof createOpenSessions>

/** Where a caller is logged in, and logging out. */
export function createOpenSessions({
  store,
  clock,
  cursors,
  revocations,
}: Pick<Dependencies, 'store' | 'clock' | 'cursors'> & { revocations: Revocations }) {
  return {
    /** The last used first. */
    list(caller: Principal, page: PageRequest): Promise<Page<Session>> {
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
    async end(caller: Principal, id: string): Promise<void> {
      const now = clock.now()
      const ended = await store.sessions.revokeOwned({ id, accountId: caller.id, now })
      found(ended ? true : undefined)
      // A UUID may come in capitals (RFC 9562 4).
      revocations.note(id.toLowerCase(), now)
    },

    /** Ends sessions of the caller; they are refused from now on. */
    async logOut(caller: Principal, scope: 'current' | 'others' | 'all'): Promise<void> {
      if (scope === 'current') {
        await revocations.endSession(caller.sessionId)
        return
      }
      const now = clock.now()
      const ended = await store.sessions.revokeAll({
        accountId: caller.id,
        ...(scope === 'others' && { exceptId: caller.sessionId }),
        now,
      })
      for (const id of ended) revocations.note(id, now)
    },
  }
}
