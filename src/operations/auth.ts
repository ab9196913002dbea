import type { Group } from '../contract/types.ts'
import type { Services } from '../domain/services.ts'
import { tokenPairView } from '../views/session.ts'

export const authOperations = ({ sessions }: Services) =>
  ({
    async logIn({ body }, _caller, call) {
      return { status: 200, body: tokenPairView(await sessions.logIn(body, call)) }
    },

    async refreshTokens({ body }, _caller, call) {
      return { status: 200, body: tokenPairView(await sessions.refresh(body.refreshToken, call)) }
    },

    async logOutByLink(_input, caller) {
      await sessions.logOut(caller, 'current')
      return { status: 204 }
    },

    async logOut({ body }, caller) {
      await sessions.logOut(caller, body.scope)
      return { status: 204 }
    },
  }) satisfies Group<'logIn' | 'refreshTokens' | 'logOutByLink' | 'logOut'>
