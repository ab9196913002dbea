import type { Dependencies } from '../dependencies.ts'
import type { EngineFailure } from '../../engine/engine.ts'

/** What the operator is told of answers that did not go well. */
export class EngineReports {
  readonly #deps: Pick<Dependencies, 'log' | 'meter'>

  constructor(deps: Pick<Dependencies, 'log' | 'meter'>) {
    this.#deps = deps
  }

  /** An error that is the server's own. */
  mistake(error: unknown): void {
    this.#deps.log.error({ err: error }, 'generation failed')
  }

  /** Logs the failure's message, which is safe, and not its cause, which may name the engine's address. */
  failure(requestId: string, { code, message }: EngineFailure): void {
    const { log, meter } = this.#deps
    meter.engineFailed(code)
    const facts = { requestId, code, reason: message }
    if (code === 'context-too-long') log.info(facts, 'a message was too long for the engine')
    else if (code === 'upstream-refused') log.warn(facts, 'the engine refused a call')
    else log.warn(facts, 'the engine failed')
  }

  /** Something odd in an answer that is complete. */
  remark(requestId: string, reason: string): void {
    this.#deps.log.warn({ requestId, reason }, 'unusual answer from the engine')
  }
}
