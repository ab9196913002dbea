/**
 * The account that a row was to be written for is closed or gone: the database itself refused it. What
 * wrote it had looked before, and the account was closed in between.
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

/** What the database said, if it was that an account is closed. */
export function accountClosedIn(said: { code?: string; text: string }): AccountClosed | undefined {
  if (said.code !== SQL_STATE) return undefined
  const [accountId = ''] = /[0-9a-f-]{36}/.exec(said.text) ?? []
  return new AccountClosed(accountId)
}
