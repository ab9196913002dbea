import type { Call } from './call.ts'
import { addressSubject } from './limit-subjects.ts'
import type { Limits } from './limits.ts'
import { Problem } from './problem.ts'

/**
 * Lets somebody try a password, counted before it is hashed, by address and by account and address,
 * so that guessing is bounded and the account's owner at another address is not locked out. A right
 * password clears what was counted, and a try that could not be checked is given back.
 * @param email of the account, whether or not there is one
 * @param check gives what the right password opens, and undefined for a wrong one
 * @throws {Problem} quota-exceeded, and invalid-credentials for a wrong password
 */
export async function tryPassword<T>(
  limits: Limits,
  { email, call }: { email: string; call: Call },
  check: () => Promise<T | undefined>,
): Promise<T> {
  const from = addressSubject(call.address)
  const byAddress = { policy: 'sign-in-address', subject: from }
  const byAccount = { policy: 'sign-in-account', subject: `${email} ${from}` }
  await limits.chargeUnseen([byAddress, byAccount])
  const opened = await check().catch(async (error: unknown) => {
    await limits.giveBack(byAddress)
    await limits.giveBack(byAccount)
    throw error
  })
  if (opened === undefined) throw new Problem('invalid-credentials')
  await limits.giveBack(byAddress)
  await limits.clear(byAccount)
  return opened
}
