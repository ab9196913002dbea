import { modes } from '../domain/chat/modes.ts'
import type { Services } from '../domain/services.ts'
import { limitListView, modeListView, readinessView, statusView } from '../views/system.ts'
import type { Group } from './operation.ts'

/** Seconds until a client should ask again whether the server is ready. */
const RETRY_READINESS_SECONDS = 5

export const systemOperations = ({ status, usage }: Services) =>
  ({
    async getHealth() {
      return { status: 200, body: { status: 'up' } }
    },

    async getReadiness() {
      const readiness = await status.readiness()
      const body = readinessView(readiness)
      if (readiness.status !== 'unavailable') return { status: 200, body }
      return { status: 503, headers: { 'Retry-After': RETRY_READINESS_SECONDS }, body }
    },

    async getStatus() {
      return { status: 200, body: statusView(status.describe()) }
    },

    async getRateLimits(_input, caller, call) {
      const { limits, readAt } = await usage.limitsOf(caller, call)
      return { status: 200, body: limitListView(limits, readAt) }
    },

    async listModes() {
      return { status: 200, body: modeListView(modes) }
    },
  }) satisfies Group<'system'>
