import type { Services } from '../domain/services.ts'
import { etagOf, expectedVersions } from '../domain/calls/entity-tags.ts'
import { exportRecordViews } from '../views/export.ts'
import { profileView } from '../views/profile.ts'
import { usageReportView } from '../views/usage.ts'
import type { Group } from './operation.ts'

export const userOperations = ({ accounts, exports, profiles, usage }: Services) =>
  ({
    async getProfile(_input, caller) {
      const account = await profiles.read(caller)
      return { status: 200, headers: { ETag: etagOf(account) }, body: profileView(account) }
    },

    async replaceProfile({ body, headers }, caller, call) {
      const how = { expectedVersions: expectedVersions(headers['If-Match']), call }
      const account = await profiles.replace(caller, body, how)
      return { status: 200, headers: { ETag: etagOf(account) }, body: profileView(account) }
    },

    async closeAccount({ headers }, caller, call) {
      await accounts.close(caller, expectedVersions(headers['If-Match']), call)
      return { status: 204 }
    },

    async exportAccount(_input, caller, call) {
      return { status: 200, lines: exportRecordViews(await exports.account(caller, call)) }
    },

    async getUsage({ query }, caller) {
      return { status: 200, body: usageReportView(await usage.report(caller, query)) }
    },
  }) satisfies Group<'users'>
