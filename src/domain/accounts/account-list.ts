import type { Dependencies } from '../dependencies.ts'
import type { Account, Role } from '../../store/store.ts'
import type { CursorPosition } from '../lists/cursors.ts'
import { type Page, type PageRequest, readPage } from '../lists/paging.ts'

/**
 * One page of accounts, the newest first.
 * @param asked.list the name of the list, which binds its cursors
 */
export function listAccounts(
  { store, cursors }: Pick<Dependencies, 'store' | 'cursors'>,
  asked: PageRequest & { list: string; roles: readonly Role[]; q?: string; disabled?: boolean },
): Promise<Page<Account>> {
  const { list, roles, q, disabled, ...page } = asked
  const filter = { roles, ...(disabled !== undefined && { disabled }) }
  const accounts = {
    filters: { list, ...filter, search: q },
    read: (limit: number, position?: CursorPosition) => {
      const asked = { ...filter, limit, ...(position && { after: afterCreation(position) }) }
      if (q === undefined) return store.accounts.list(asked)
      return store.accounts.search({ ...asked, text: q })
    },
    positionOf: (account: Account) => [account.createdAt.getTime(), account.id],
  }
  return readPage(cursors, accounts, page)
}

function afterCreation([time, id]: CursorPosition): { createdAt: Date; id: string } {
  return { createdAt: new Date(Number(time)), id: String(id) }
}
