import type { Call } from './call.ts'
import { addressSubject } from './limit-subjects.ts'
import type { Limits } from './limits.ts'

/**
 * Counts a try of a password before it is hashed, by address and by account and address, so that
 * guessing is bounded and the account's owner at another address is not locked out.
 * @param email of the account, whether or not there is one
 * @returns what to call when the password was right
 * @throws {Problem} quota-exceeded
 */
export async function countTry(limits: Limits, email: string, call: Call) {
  const from = addressSubject(call.address)
  const byAddress = { policy: 'sign-in-address', subject: from }
  const byAccount = { policy: 'sign-in-account', subject: `${email} ${from}` }
  await limits.chargeUnseen([byAddress, byAccount])
  return {
    async succeeded(): Promise<void> {
      await limits.giveBack(byAddress)
      await limits.clear(byAccount)
    },
  }
}
