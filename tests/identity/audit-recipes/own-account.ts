import { createServiceAccount } from '../../support/resources.ts'
import { createUserAndAdmin, logIn, newAccount, server } from '../audit.given.ts'
import { type Recipes, serviceAccount, sessionOf, user } from './recipe.ts'

/** What an account does with itself. */
export const ownAccountRecipes: Recipes = {
  register: [
    {
      name: 'with a new email',
      async prepare() {
        const body = newAccount()
        return {
          call: () => server.anonymous.call('register', { body }),
          expected: ({ id }) => [{ event: 'user.created', actor: user(id), target: user(id) }],
        }
      },
    },
  ],
  changePassword: [
    {
      name: 'with the right current password',
      async prepare() {
        const { alice, aliceId } = await createUserAndAdmin()
        const { password: currentPassword } = alice.identity
        const body = { currentPassword, newPassword: 'quite another horse' }
        const [actor, target] = [user(aliceId), user(aliceId)]
        const ended = sessionOf(await logIn(alice.identity))
        return {
          call: () => alice.call('changePassword', { body }),
          expected: () => [
            { event: 'password.changed', actor, target },
            { event: 'session.revoked', actor, target: ended, account: user(aliceId) },
          ],
        }
      },
    },
    {
      name: 'with a wrong current password',
      changesNothingElse: true,
      async prepare() {
        const { alice, aliceId } = await createUserAndAdmin()
        const body = { currentPassword: 'not mine', newPassword: 'quite another horse' }
        const [actor, target] = [user(aliceId), user(aliceId)]
        return {
          call: () => alice.call('changePassword', { body }),
          expected: () => [{ event: 'password.refused', actor, target }],
        }
      },
    },
  ],
  replaceProfile: [
    {
      name: 'by a user with a new name',
      async prepare() {
        const { alice, aliceId } = await createUserAndAdmin()
        const body = { displayName: 'Another name', preferences: { locale: 'ko' } }
        const [actor, target] = [user(aliceId), user(aliceId)]
        return {
          call: () => alice.call('replaceProfile', { body }),
          expected: () => [{ event: 'user.changed', actor, target, changed: ['displayName'] }],
        }
      },
    },
    {
      name: 'by a service account with a new name',
      async prepare() {
        const caller = await createServiceAccount(server, ['profile:write'])
        const actor = serviceAccount(caller.serviceAccountId)
        const body = { displayName: 'Another name', preferences: {} }
        return {
          call: () => caller.call('replaceProfile', { body }),
          expected: () => [
            { event: 'service-account.changed', actor, target: actor, changed: ['name'] },
          ],
        }
      },
    },
  ],
  closeAccount: [
    {
      name: 'by its owner',
      hasNoAddress: true,
      async prepare() {
        const { alice, aliceId } = await createUserAndAdmin()
        const [actor, target] = [user(aliceId), user(aliceId)]
        return {
          call: () => alice.call('closeAccount'),
          expected: () => [{ event: 'account.closed', actor, target }],
        }
      },
    },
  ],
  exportAccount: [
    {
      name: 'by its owner',
      changesNothingElse: true,
      async prepare() {
        const { alice, aliceId } = await createUserAndAdmin()
        const [actor, target] = [user(aliceId), user(aliceId)]
        return {
          call: () => alice.call('exportAccount'),
          expected: () => [{ event: 'data.exported', actor, target }],
        }
      },
    },
  ],
}
