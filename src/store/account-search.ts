import { Prisma, type Account as AccountRow } from '../../generated/prisma/client.ts'
import {
  type Account,
  accountColumns,
  type AccountFilter,
  listedAccounts,
  toAccount,
} from './accounts.ts'
import { composed, inAnyCase, matches } from './database/folding.ts'
import { LOOKED_AT_ONCE, type SearchedRow, type Searched, toSearched } from './searching.ts'
import type { Client } from './database/query.ts'

export const accountSearch = ({ query }: Client) => ({
  /**
   * Those whose email or display name contains the text, in any case, the newest first, among the
   * next 5,000.
   */
  async search({
    text,
    limit,
    ...filter
  }: AccountFilter & { text: string }): Promise<Searched<Account>> {
    const pattern = inAnyCase(text)
    const isFound = Prisma.sql`
      coalesce(${matches(Prisma.sql`a.email`, pattern)}, false)
        OR ${matches(composed(Prisma.sql`a.display_name`), pattern)}`
    const isLast = Prisma.sql`a.place = ${LOOKED_AT_ONCE}::int`
    const rows = await query<SearchedRow<AccountRow>[]>`
      SELECT ${accountColumns}, ${isFound} AS "isFound", ${isLast} AS "isLast"
      FROM (
        SELECT *, row_number() OVER (ORDER BY a.created_at DESC, a.id DESC) AS place
        FROM accounts a ${listedAccounts(filter)} LIMIT ${LOOKED_AT_ONCE}::int
      ) AS a
      WHERE ${isFound} OR ${isLast}
      ORDER BY a.created_at DESC, a.id DESC LIMIT ${limit}::int`
    const { found, lookedUpTo } = toSearched<AccountRow>(rows)
    return { found: found.map(toAccount), ...(lookedUpTo && { lookedUpTo: toAccount(lookedUpTo) }) }
  },
})
