import type { Call } from '../calls/call.ts'
import { addressSubject } from '../limits/limit-subjects.ts'
import type { Limits } from '../limits/limits.ts'
import { Problem } from '../problem.ts'

/**
 * Lets somebody try a password, counted before it is hashed, by address and by account and address,
 * so that guessing is bounded and the account's owner at another address is not locked out. A right
 * password clears what was counted, and a try that could not be checked is given back.
 * @param email of the account, whether or not there is one
 * @param check gives what the right password opens, and undefined for a wrong one
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
 * Lets somebody show a secret that cannot be guessed, such as an API key. It is counted by address
 * before it is looked up and given back if it is right, but never refused for what failed before:
 * whoever shares an address with an attacker must get in.
 * @param check gives what the secret opens, and undefined for a wrong one
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
