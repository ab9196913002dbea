import { locationOf } from '../contract/locations.ts'
import type { Services } from '../domain/services.ts'
import { etagOf, expectedVersions } from '../domain/calls/entity-tags.ts'
import { serviceAccountPageView, serviceAccountView } from '../views/account.ts'
import { apiKeyPageView, newApiKeyView } from '../views/api-key.ts'
import type { Group } from './operation.ts'

/** The operations of the tag `admin` on service accounts and their API keys. */
export const serviceAccountOperations = ({ serviceAccounts, apiKeys }: Services) =>
  ({
    async listServiceAccounts({ query }) {
      return { status: 200, body: serviceAccountPageView(await serviceAccounts.list(query)) }
    },

    async createServiceAccount({ body }, caller, call) {
      const account = await serviceAccounts.create(caller, body, call)
      const Location = locationOf('getServiceAccount', { serviceAccountId: account.id })
      const headers = { ETag: etagOf(account), Location }
      return { status: 201, headers, body: serviceAccountView(account) }
    },

    async getServiceAccount({ path }) {
      const account = await serviceAccounts.read(path.serviceAccountId)
      return { status: 200, headers: { ETag: etagOf(account) }, body: serviceAccountView(account) }
    },

    async changeServiceAccount({ path, body, headers }, caller, call) {
      const how = { expectedVersions: expectedVersions(headers['If-Match']), call }
      const account = await serviceAccounts.change(caller, path.serviceAccountId, body, how)
      return { status: 200, headers: { ETag: etagOf(account) }, body: serviceAccountView(account) }
    },

    async deleteServiceAccount({ path, headers }, caller, call) {
      const how = { expectedVersions: expectedVersions(headers['If-Match']), call }
      await serviceAccounts.remove(caller, path.serviceAccountId, how)
      return { status: 204 }
    },

    async listApiKeys({ path, query }) {
      const page = await apiKeys.list(path.serviceAccountId, query)
      return { status: 200, body: apiKeyPageView(page) }
    },

    async createApiKey({ path, body }, caller, call) {
      const made = await apiKeys.create(caller, path.serviceAccountId, body, call)
      return { status: 201, body: newApiKeyView(made) }
    },

    async revokeApiKey({ path }, caller, call) {
      await apiKeys.revoke(caller, path, call)
      return { status: 204 }
    },

    async rotateApiKey({ path, body }, caller, call) {
      const made = await apiKeys.rotate(caller, path, body.overlapSeconds, call)
      return { status: 201, body: newApiKeyView(made) }
    },
  }) satisfies Partial<Group<'admin'>>
