import type { Nouns } from '../../store/store.ts'
import { Problem } from '../problem.ts'

/**
 * Refuses to leave the server without an enabled administrator. The administrators are locked until
 * the transaction ends, so that two of them cannot remove each other concurrently.
 * @param id of the account that is about to be closed, disabled or made a user
 * @throws {Problem} invalid-request
 */
export async function keepAnAdmin(nouns: Pick<Nouns, 'standings'>, id: string): Promise<void> {
  const admins = await nouns.standings.lockAdmins()
  if (!admins.includes(id) || admins.length > 1) return
  const detail = 'is the last administrator'
  throw new Problem('invalid-request', {
    detail: `The account ${detail}.`,
    errors: [{ in: 'path', pointer: '', code: 'last-admin', detail }],
  })
}
