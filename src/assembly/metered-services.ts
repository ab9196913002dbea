import type { Policies } from '../contract/policy.ts'
import type { World } from './world.ts'
import { EXPORTS_LIMIT } from '../domain/lists/large-reads.ts'
import { STREAMS_LIMIT } from '../domain/chat/open-streams.ts'
import type { Services } from '../domain/services.ts'
import { ENGINE_FAILURE_CODES } from '../engine/engine.ts'

/** Tells the meter what may be counted, and where to look when it is read. */
export function meterServices(
  { meter, passwords, store }: World,
  { openStreams, generations }: Services,
  policies: Policies,
): void {
  meter.expect({
    operations: policies.operations.map(({ operationId }) => operationId),
    limits: [...Object.keys(policies.limits), STREAMS_LIMIT, EXPORTS_LIMIT],
    engineFailures: ENGINE_FAILURE_CODES,
  })
  meter.watch({
    streamsOpen: () => openStreams.count(),
    generationsRunning: () => generations.count(),
    hashes: () => passwords.load(),
    connections: () => store.connections(),
  })
}
