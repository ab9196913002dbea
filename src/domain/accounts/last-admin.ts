import type { Nouns } from '../../store/store.ts'
import { Problem } from '../problem.ts'

/**
 * Refuses what would leave nobody to administer the server. The administrators are locked until the
 * transaction ends, so that two of them cannot remove each other at once.
 * @param id of the account that stops being an administrator who may sign in
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
