import { locationOf } from '../contract/locations.ts'
import type { Services } from '../domain/services.ts'
import { etagOf, expectedVersions } from '../domain/calls/entity-tags.ts'
import { userPageView, userView } from '../views/account.ts'
import { auditEventPageView } from '../views/audit.ts'
import { adminFeedbackPageView } from '../views/feedback.ts'
import { adminUsageReportView } from '../views/usage.ts'
import type { Group } from './operation.ts'
import { serviceAccountOperations } from './service-accounts.ts'

export function adminOperations(services: Services) {
  const { users, audit, feedback, usage } = services
  return {
    ...serviceAccountOperations(services),

    async listUsers({ query }) {
      return { status: 200, body: userPageView(await users.list(query)) }
    },

    async createUser({ body }, caller, call) {
      const user = await users.create(caller, body, call)
      const headers = { ETag: etagOf(user), Location: locationOf('getUser', { userId: user.id }) }
      return { status: 201, headers, body: userView(user) }
    },

    async getUser({ path }) {
      const user = await users.read(path.userId)
      return { status: 200, headers: { ETag: etagOf(user) }, body: userView(user) }
    },

    async changeUser({ path, body, headers }, caller, call) {
      const how = { expectedVersions: expectedVersions(headers['If-Match']), call }
      const user = await users.change(caller, path.userId, body, how)
      return { status: 200, headers: { ETag: etagOf(user) }, body: userView(user) }
    },

    async deleteUser({ path, headers }, caller, call) {
      const how = { expectedVersions: expectedVersions(headers['If-Match']), call }
      await users.remove(caller, path.userId, how)
      return { status: 204 }
    },

    async listAuditEvents({ query }) {
      return { status: 200, body: auditEventPageView(await audit.list(query)) }
    },

    async listAllFeedback({ query }, caller, call) {
      const page = await feedback.listAll(caller, query, call)
      return { status: 200, body: adminFeedbackPageView(page) }
    },

    async getAllUsage({ query }) {
      return { status: 200, body: adminUsageReportView(await usage.reportAll(query)) }
    },
  } satisfies Group<'admin'>
}
