import { createServiceAccount } from '../../support/resources.ts'
import { createServiceAccountAndKey, createUserAndAdmin, server } from '../audit.given.ts'
import { type Recipes, serviceAccount } from './recipe.ts'

export const serviceAccountRecipes: Recipes = {
  createServiceAccount: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor } = await createUserAndAdmin()
        const body = { name: 'Robot', scopes: [] }
        return {
          call: () => admin.call('createServiceAccount', { body }),
          expected: ({ id }) => [
            { event: 'service-account.created', actor, target: serviceAccount(id) },
          ],
        }
      },
    },
    {
      name: 'by another service account',
      async prepare() {
        const caller = await createServiceAccount(server, ['admin:service-accounts'])
        const actor = serviceAccount(caller.serviceAccountId)
        const body = { name: 'Robot', scopes: [] }
        return {
          call: () => caller.call('createServiceAccount', { body }),
          expected: ({ id }) => [
            { event: 'service-account.created', actor, target: serviceAccount(id) },
          ],
        }
      },
    },
  ],
  changeServiceAccount: [
    {
      name: 'of several properties',
      async prepare() {
        const { admin, actor, path, target } = await createServiceAccountAndKey()
        const body = { name: 'B', scopes: [], disabled: true }
        const changed = ['disabled', 'name', 'scopes']
        return {
          call: () => admin.call('changeServiceAccount', { path, body }),
          expected: () => [{ event: 'service-account.changed', actor, target, changed }],
        }
      },
    },
  ],
  deleteServiceAccount: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor, path, target } = await createServiceAccountAndKey()
        return {
          call: () => admin.call('deleteServiceAccount', { path }),
          expected: () => [{ event: 'service-account.deleted', actor, target }],
        }
      },
    },
  ],
}
