import type { Turn } from '../../engine.ts'
import { UpstreamRefused } from '../refusals/upstream-refused.ts'
import type { CompletionReader } from '../response/completion-reader.ts'
import { type AcceptedRequest, NegotiatedRequest, type RequestDeps } from './negotiated-request.ts'

/** Every kind of change once and every cut, whatever the upstream replies. */
const MOST_REPEATS = 10

export interface NegotiationDeps extends RequestDeps {
  readonly upstream: {
    openStream(body: unknown, signal: AbortSignal): Promise<CompletionReader>
  }
}

/**
 * Sends the request, changed after each refusal, until the upstream accepts it or nothing is left
 * to change. It is repeated only after a refusal, so that no model processes it twice.
 * @throws EngineFailure, and the signal's reason
 */
export async function negotiate(
  turn: Turn,
  deps: NegotiationDeps,
  signal: AbortSignal,
): Promise<AcceptedRequest> {
  const model = deps.named ?? (await deps.listed.find(signal))
  const request = new NegotiatedRequest(turn, model, deps)
  for (let repeats = 0; ; repeats++) {
    try {
      return request.accepted(await deps.upstream.openStream(request.body(), signal))
    } catch (error) {
      if (!(error instanceof UpstreamRefused) || repeats === MOST_REPEATS) throw error
      if (!(await request.change(error.refusal, signal))) throw error
    }
  }
}
