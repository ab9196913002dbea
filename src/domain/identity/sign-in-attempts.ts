import type { Call } from '../calls/call.ts'
import { addressSubject } from '../limits/limit-subjects.ts'
import type { Limits } from '../limits/limits.ts'
import { Problem } from '../problem.ts'

/**
 * Checks a password. The attempt is counted before the password is hashed, by address and by account
 * and address, so that guessing is limited and the account's owner at another address is not locked
 * out. A correct password clears the count, and an attempt that could not be checked is refunded.
 * @param email of the account, whether or not it exists
 * @param check returns what the password grants, or undefined for a wrong one
 * @param onWrong runs before a wrong password is refused
 * @throws {Problem} quota-exceeded, and invalid-credentials for a wrong password
 */
export async function tryPassword<T>(
  limits: Limits,
  { email, call }: { email: string; call: Pick<Call, 'address'> },
  check: () => Promise<T | undefined>,
  onWrong: () => Promise<void>,
): Promise<T> {
  const from = addressSubject(call.address)
  const byAddress = { policy: 'sign-in-address', subject: from }
  const byAccount = { policy: 'sign-in-account', subject: `${email} ${from}` }
  await limits.chargeUnseen([byAddress, byAccount])
  const opened = await check().catch(async (error: unknown) => {
    await Promise.all([byAddress, byAccount].map((charge) => limits.giveBack(charge)))
    throw error
  })
  if (opened === undefined) {
    await onWrong()
    throw new Problem('invalid-credentials')
  }
  // At once, so that a shared store is asked in one go.
  await Promise.all([limits.giveBack(byAddress), limits.clear(byAccount)])
  return opened
}

/**
 * Checks a secret that cannot be guessed, such as an API key. The attempt is counted by address before
 * the lookup and refunded if the secret is correct, but it is never refused for earlier failures: a
 * client that shares an address with an attacker must get in.
 * @param check returns what the secret grants, or undefined for a wrong one
 */
export async function trySecret<T>(
  limits: Limits,
  call: Pick<Call, 'address'>,
  check: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const byAddress = { policy: 'sign-in-address', subject: addressSubject(call.address) }
  const { spent } = await limits.take([byAddress])
  const giveBack = async () => {
    if (spent.length === 0) await limits.giveBack(byAddress)
  }
  const opened = await check().catch(async (error: unknown) => {
    await giveBack()
    throw error
  })
  if (opened !== undefined) await giveBack()
  return opened
}
