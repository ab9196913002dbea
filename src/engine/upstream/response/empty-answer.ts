import { EngineFailure } from '../../engine.ts'
import type { Ending } from './finish-reasons.ts'

type Facts = { ending: Ending | undefined; hasReasoning: boolean; hasToolCall: boolean }
/** `isFinal` when the same request would spend the same tokens on the same end. */
type Reason = { log: string; detail: string; isFinal?: true }

/** The failure of an answer without text. */
export function emptyAnswer(facts: Facts): EngineFailure {
  const { log, detail, isFinal } = reasonOf(facts)
  return new EngineFailure(isFinal ? 'upstream-refused' : 'upstream-failed', log, { detail })
}

function reasonOf({ ending, hasReasoning, hasToolCall }: Facts): Reason {
  if (hasToolCall) {
    return {
      log: 'the model called a tool and said nothing; tools are not offered here',
      detail: 'The model called a tool instead of answering. No tools are available.',
      isFinal: true,
    }
  }
  // A server may count reasoning without sending it.
  if (ending === 'length') {
    return {
      log: 'the model thought until it had written as much as it may, and said nothing',
      detail: 'The model used its whole output limit for reasoning. Send a simpler request.',
      isFinal: true,
    }
  }
  if (hasReasoning) {
    return {
      log: 'the model thought, and said nothing',
      detail: 'The model stopped after reasoning, without an answer.',
    }
  }
  return { log: 'the model said nothing', detail: 'The model stopped without an answer.' }
}
