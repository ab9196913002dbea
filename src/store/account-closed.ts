/**
 * The database refused to write a row for an account that is closed or deleted: it was closed after the
 * call had checked it.
 */
export class AccountClosed extends Error {
  override readonly name = 'AccountClosed'
  readonly accountId: string

  constructor(accountId: string, options?: ErrorOptions) {
    super(`The account ${accountId} is closed`, options)
    this.accountId = accountId
  }
}

/** Raised by the triggers of the migration rows_of_open_accounts, with the id in the text. */
const SQL_STATE = 'PA001'

/** The error for what the database reported, if that is a closed account. */
export function accountClosedIn(said: { code?: string; text: string }): AccountClosed | undefined {
  if (said.code !== SQL_STATE) return undefined
  const [accountId = ''] = /[0-9a-f-]{36}/.exec(said.text) ?? []
  return new AccountClosed(accountId)
}
