import type { Dependencies } from '../dependencies.ts'
import type { Account, Role } from '../store/store.ts'
import type { CursorPosition } from './cursors.ts'
import { type Page, type PageRequest, readPage } from './paging.ts'

/** One page of accounts, the newest first. @param asked.list what binds its cursors */
export function listAccounts(
  { store, cursors }: Pick<Dependencies, 'store' | 'cursors'>,
  asked: PageRequest & { list: string; roles: readonly Role[]; q?: string; disabled?: boolean },
): Promise<Page<Account>> {
  const { list, roles, q, disabled, ...page } = asked
  const filter = {
    roles,
    ...(q !== undefined && { search: q }),
    ...(disabled !== undefined && { disabled }),
  }
  const accounts = {
    filters: { list, ...filter },
    read: (limit: number, after?: CursorPosition) =>
      store.accounts.list({
        ...filter,
        limit,
        ...(after && { after: { createdAt: new Date(Number(after[0])), id: String(after[1]) } }),
      }),
    positionOf: (account: Account) => [account.createdAt.getTime(), account.id],
  }
  return readPage(cursors, accounts, page)
}
