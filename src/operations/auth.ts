import { locationOf } from '../contract/locations.ts'
import type { Services } from '../domain/services.ts'
import { profileView } from '../views/profile.ts'
import { sessionPageView, tokenPairView } from '../views/session.ts'
import type { Group } from './operation.ts'

export const authOperations = ({ sessions, openSessions, accounts }: Services) =>
  ({
    async logIn({ body }, _caller, call) {
      return { status: 200, body: tokenPairView(await sessions.logIn(body, call)) }
    },

    async refreshTokens({ body }, _caller, call) {
      return { status: 200, body: tokenPairView(await sessions.refresh(body.refreshToken, call)) }
    },

    async logOutByLink(_input, caller, call) {
      await openSessions.logOut(caller, 'current', call)
      return { status: 204 }
    },

    async logOut({ body }, caller, call) {
      await openSessions.logOut(caller, body.scope, call)
      return { status: 204 }
    },

    async listSessions({ query }, caller) {
      const page = await openSessions.list(caller, query)
      return { status: 200, body: sessionPageView(page, caller.sessionId) }
    },

    async endSession({ path }, caller, call) {
      await openSessions.end(caller, path.sessionId, call)
      return { status: 204 }
    },

    async register({ body }, _caller, call) {
      const account = await accounts.register(body, call)
      const headers = { Location: locationOf('getProfile') }
      return { status: 201, headers, body: profileView(account) }
    },

    async changePassword({ body }, caller, call) {
      await accounts.changePassword(caller, body, call)
      return { status: 204 }
    },
  }) satisfies Group<'auth'>
