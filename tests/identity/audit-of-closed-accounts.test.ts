import { describe, expect, test } from 'vitest'
import { type Client, createClient } from '../support/client.ts'
import { SECOND_MS } from '../support/clock/jumping-clock.ts'
import { clock, newAccount, server, testStore } from './audit.given.ts'

const ADDRESS = '198.51.100.7'
const USER_AGENT = 'a browser of her own'
const headers = { 'X-Forwarded-For': ADDRESS, 'User-Agent': USER_AGENT }

const rows = () => testStore.database.prisma.auditEvent.findMany({ orderBy: { id: 'asc' } })

/** Registers a user whose record holds six events with her address, refusals among them. */
async function registerWithEvents() {
  const body = { ...newAccount(), displayName: 'Ada Lovelace' }
  const { email, password } = body
  const { id } = (await server.anonymous.expect(201, 'register', { body, headers })).body
  const wrong = { body: { email, password: 'not mine at all' }, headers }
  await server.anonymous.refused('invalid-credentials', 'logIn', wrong)
  const logIn = async () =>
    (await server.anonymous.expect(200, 'logIn', { body: { email, password }, headers })).body
  const alice = createClient(server.url, { ...(await logIn()), email, password })
  const reuse = { body: { refreshToken: (await logIn()).refreshToken }, headers }
  await server.anonymous.expect(200, 'refreshTokens', reuse)
  clock.jump(31 * SECOND_MS)
  await server.anonymous.refused('refresh-token-reused', 'refreshTokens', reuse)
  await alice.refused('invalid-credentials', 'changePassword', {
    body: { currentPassword: 'not mine', newPassword: 'quite another horse' },
    headers,
  })
  return { alice, id, personalData: [ADDRESS, email, body.displayName, USER_AGENT] }
}

describe('the audit log', () => {
  const closing = async (alice: Client) => alice.expect(204, 'closeAccount')
  const deletion = async (_: Client, userId: string) =>
    (await server.admin()).expect(204, 'deleteUser', { path: { userId } })

  test.each([
    ['DELETE /users/profile', closing],
    ['DELETE /admin/users/{userId}', deletion],
  ])(
    'keeps the events of an account without address and name after %s, and changes no other event',
    async (_, leave) => {
      const { alice, id, personalData } = await registerWithEvents()
      const admin = await server.admin()
      await admin.expect(200, 'changeUser', { path: { userId: id }, body: { limits: {} } })
      const before = await rows()
      expect(before.filter(({ address }) => address === ADDRESS)).toHaveLength(6)

      await leave(alice, id)

      const after = await rows()
      const text = JSON.stringify(after)
      expect(personalData.filter((datum) => text.includes(datum))).toEqual([])
      const kept = after.filter((row) => before.some((was) => was.id === row.id))
      expect(kept).toEqual(
        before.map((was) => (was.address === ADDRESS ? { ...was, address: null } : was)),
      )
    },
  )
})
