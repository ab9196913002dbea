import type { Account } from '../../store/store.ts'
import type { Dependencies } from '../dependencies.ts'

type Deps = Pick<Dependencies, 'store' | 'passwords'>

/**
 * Returns the account if the password is correct. Takes as long where there is no account, so that
 * the time of a reply does not reveal whether there is one.
 * @throws what `hungUp` aborts with
 */
export async function checkPassword(
  { store, passwords }: Deps,
  account: Account | undefined,
  password: string,
  hungUp: AbortSignal,
): Promise<Account | undefined> {
  const isRight = await passwords.verify(password, account?.passwordHash, hungUp)
  if (!isRight || !account?.passwordHash) return undefined
  if (!passwords.isOutdated(account.passwordHash)) return account
  // BCRYPT_COST was changed since: verifying for an unknown account must cost the same time as for
  // this one.
  const [from, to] = [account.passwordHash, await passwords.hash(password, hungUp)]
  const isStored = await store.accounts.rehashPassword({ id: account.id, from, to })
  if (isStored) return { ...account, passwordHash: to }
  // Another call has rehashed or changed the password in the meantime.
  return checkPassword(
    { store, passwords },
    await store.accounts.find(account.id),
    password,
    hungUp,
  )
}
