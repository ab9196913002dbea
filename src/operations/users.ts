import type { Group } from '../contract/types.ts'
import type { Services } from '../domain/services.ts'
import { etagOf, expectedVersions } from '../domain/versions.ts'
import { profileView } from '../views/profile.ts'
import { usageReportView } from '../views/usage.ts'

export const userOperations = ({ profiles, usage }: Services) =>
  ({
    async getProfile(_input, caller) {
      const account = await profiles.read(caller)
      return { status: 200, headers: { ETag: etagOf(account) }, body: profileView(account) }
    },

    async replaceProfile({ body, headers }, caller) {
      const versions = expectedVersions(headers['If-Match'])
      const account = await profiles.replace(caller, body, versions)
      return { status: 200, headers: { ETag: etagOf(account) }, body: profileView(account) }
    },

    async getUsage({ query }, caller) {
      return { status: 200, body: usageReportView(await usage.report(caller, query)) }
    },
  }) satisfies Group<'getProfile' | 'replaceProfile' | 'getUsage'>
