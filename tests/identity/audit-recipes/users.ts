import { createUserAndAdmin, newAccount } from '../audit.given.ts'
import { type Recipes, user } from './recipe.ts'

export const userRecipes: Recipes = {
  createUser: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor } = await createUserAndAdmin()
        const body = { ...newAccount(), role: 'user' as const }
        return {
          call: () => admin.call('createUser', { body }),
          expected: ({ id }) => [{ event: 'user.created', actor, target: user(id) }],
        }
      },
    },
  ],
  changeUser: [
    {
      name: 'of several properties',
      async prepare() {
        const { admin, actor, path, aliceId } = await createUserAndAdmin()
        const body = { role: 'admin', disabled: true, displayName: 'A', limits: {} } as const
        const changed = ['disabled', 'displayName', 'limits', 'role']
        return {
          call: () => admin.call('changeUser', { path, body }),
          expected: () => [{ event: 'user.changed', actor, target: user(aliceId), changed }],
        }
      },
    },
    {
      name: 'with If-Match',
      async prepare() {
        const { admin, actor, path, aliceId } = await createUserAndAdmin()
        const headers = { 'If-Match': '"1"' }
        return {
          call: () => admin.call('changeUser', { path, headers, body: { limits: { hourly: 9 } } }),
          expected: () => [
            { event: 'user.changed', actor, target: user(aliceId), changed: ['limits'] },
          ],
        }
      },
    },
  ],
  deleteUser: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor, path, aliceId } = await createUserAndAdmin()
        return {
          call: () => admin.call('deleteUser', { path }),
          expected: () => [{ event: 'user.deleted', actor, target: user(aliceId) }],
        }
      },
    },
  ],
}
