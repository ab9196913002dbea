import type {
  LimitStateList,
  ModeList,
  Readiness as ReadinessSchema,
  Status,
} from '../../generated/api.ts'
import type { LimitState } from '../domain/limits/limits.ts'
import type { Mode } from '../domain/chat/modes.ts'
import type { Readiness, ServerDescription } from '../domain/server/server-status.ts'
import { timestampView } from './timestamp.ts'
import { limitView } from './usage.ts'

export function readinessView({ status, checks }: Readiness): ReadinessSchema {
  return { status, checks: checks.map((check) => ({ name: check.name, status: check.status })) }
}

export function statusView(status: ServerDescription): Status {
  const { kind, model, ruleBased } = status.engine
  return {
    name: 'Parley',
    version: status.version,
    startedAt: timestampView(status.startedAt),
    uptimeSeconds: status.uptimeSeconds,
    engine: { kind, ...(model !== '' && { model }), ruleBased },
  }
}

/** A mode's system prompt and sampling parameters are not shown. */
export function modeListView(modes: readonly Mode[]): ModeList {
  return {
    data: modes.map((mode) => ({
      id: mode.id,
      title: mode.title,
      description: mode.description,
      default: mode.default,
    })),
  }
}

/** @param readAt when the limits were read; `resetsInMs` counts from then */
export function limitListView(limits: readonly LimitState[], readAt: Date): LimitStateList {
  return { data: limits.map((limit) => limitView(limit, readAt)) }
}
