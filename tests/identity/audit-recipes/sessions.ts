import type { Identity } from '../../support/client.ts'
import { SECOND_MS } from '../../support/clock/jumping-clock.ts'
import { clock, createUserAndAdmin, logIn, newAccount, server } from '../audit.given.ts'
import { type Recipe, type Recipes, sessionOf, user } from './recipe.ts'

/** Logs out while the user has two more sessions. */
const logOut = (scope: 'current' | 'others' | 'all'): Recipe => ({
  name: `with scope ${scope}`,
  async prepare() {
    const { alice, aliceId } = await createUserAndAdmin()
    const others = [await logIn(alice.identity), await logIn(alice.identity)]
    const ended = { current: [alice], others, all: [alice, ...others] }[scope]
    return {
      call: () => alice.call('logOut', { body: { scope } }),
      expected: () =>
        ended.map((one) => ({
          event: 'session.revoked',
          actor: user(aliceId),
          target: sessionOf(one),
          account: user(aliceId),
        })),
    }
  },
})

export const sessionRecipes: Recipes = {
  logIn: [
    {
      name: 'with the right password',
      async prepare() {
        const { alice, aliceId } = await createUserAndAdmin()
        const { email, password } = alice.identity
        return {
          call: () => server.anonymous.call('logIn', { body: { email, password } }),
          expected: (body) => [
            {
              event: 'session.created',
              actor: user(aliceId),
              target: { kind: 'session', id: (body as unknown as Identity).sessionId },
              account: user(aliceId),
            },
          ],
        }
      },
    },
    {
      name: 'with a wrong password',
      changesNothingElse: true,
      async prepare() {
        const { alice, aliceId } = await createUserAndAdmin()
        const body = { email: alice.identity.email, password: 'not my password' }
        return {
          call: () => server.anonymous.call('logIn', { body }),
          expected: () => [{ event: 'session.refused', target: user(aliceId) }],
        }
      },
    },
    {
      name: 'with an unknown email',
      changesNothingElse: true,
      async prepare() {
        const { email, password } = newAccount()
        return {
          call: () => server.anonymous.call('logIn', { body: { email, password } }),
          expected: () => [{ event: 'session.refused' }],
        }
      },
    },
    {
      name: 'to a disabled account',
      changesNothingElse: true,
      async prepare() {
        const { alice, admin, path, aliceId } = await createUserAndAdmin()
        await admin.expect(200, 'changeUser', { path, body: { disabled: true } })
        const { email, password } = alice.identity
        return {
          call: () => server.anonymous.call('logIn', { body: { email, password } }),
          expected: () => [{ event: 'session.refused', target: user(aliceId) }],
        }
      },
    },
  ],
  refreshTokens: [
    {
      name: 'with a token that was used 31 seconds ago',
      async prepare() {
        const { alice, aliceId } = await createUserAndAdmin()
        const body = { refreshToken: alice.identity.refreshToken }
        await server.anonymous.expect(200, 'refreshTokens', { body })
        clock.jump(31 * SECOND_MS)
        return {
          call: () => server.anonymous.call('refreshTokens', { body }),
          expected: () => [
            { event: 'refresh-token.reused', target: sessionOf(alice), account: user(aliceId) },
          ],
        }
      },
    },
  ],
  logOutByLink: [
    {
      name: 'of the current session',
      async prepare() {
        const { alice, aliceId } = await createUserAndAdmin()
        return {
          call: () => alice.call('logOutByLink'),
          expected: () => [
            {
              event: 'session.revoked',
              actor: user(aliceId),
              target: sessionOf(alice),
              account: user(aliceId),
            },
          ],
        }
      },
    },
  ],
  logOut: [logOut('current'), logOut('others'), logOut('all')],
  endSession: [
    {
      name: 'of another session',
      async prepare() {
        const { alice, aliceId } = await createUserAndAdmin()
        const other = await logIn(alice.identity)
        const path = { sessionId: other.identity.sessionId }
        return {
          call: () => alice.call('endSession', { path }),
          expected: () => [
            {
              event: 'session.revoked',
              actor: user(aliceId),
              target: sessionOf(other),
              account: user(aliceId),
            },
          ],
        }
      },
    },
  ],
}
