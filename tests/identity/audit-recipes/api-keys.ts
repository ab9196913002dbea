import { createServiceAccountAndKey } from '../audit.given.ts'
import { apiKey, type Recipes } from './recipe.ts'

export const apiKeyRecipes: Recipes = {
  createApiKey: [
    {
      name: 'by an administrator',
      async prepare() {
        const { admin, actor, path, target: account } = await createServiceAccountAndKey()
        return {
          call: () => admin.call('createApiKey', { path, body: { name: 'spare' } }),
          expected: ({ id }) => [{ event: 'api-key.created', actor, target: apiKey(id), account }],
        }
      },
    },
  ],
  revokeApiKey: [
    {
      name: 'by an administrator',
      async prepare() {
        const {
          admin,
          actor,
          keyPath: path,
          keyTarget: target,
          target: account,
        } = await createServiceAccountAndKey()
        return {
          call: () => admin.call('revokeApiKey', { path }),
          expected: () => [{ event: 'api-key.revoked', actor, target, account }],
        }
      },
    },
  ],
  rotateApiKey: [
    {
      name: 'by an administrator',
      async prepare() {
        const {
          admin,
          actor,
          keyPath: path,
          keyTarget: target,
          target: account,
        } = await createServiceAccountAndKey()
        return {
          call: () => admin.call('rotateApiKey', { path, body: { overlapSeconds: 60 } }),
          expected: ({ id }) => [
            { event: 'api-key.rotated', actor, target, account },
            { event: 'api-key.created', actor, target: apiKey(id), account },
          ],
        }
      },
    },
  ],
}
