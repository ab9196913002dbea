import type { Request, Response } from 'express'
import type { MessageErrorEvent } from '../../../generated/api.ts'
import { Problem } from '../../domain/problem.ts'
import type { Log } from '../../ports/observability/log.ts'
import type { Meter } from '../../ports/observability/meter.ts'
import { messageErrorView } from '../../views/problem.ts'
import { writeProblem } from './problem-response.ts'

/** Headers of a reply that a problem in its place must not have. */
const REPLY_HEADERS = [
  'ETag',
  'Content-Encoding',
  'Location',
  'Deprecation',
  'Sunset',
  'Link',
  'Idempotency-Replayed',
]

/** Reports what breaks the contract, and decides what the client gets instead. */
export class ContractViolations {
  readonly #log: Log
  readonly #meter: Meter
  #count = 0

  constructor({ log, meter }: { log: Log; meter: Meter }) {
    this.#log = log
    this.#meter = meter
  }

  /**
   * Counts and logs a violation, which is always a mistake of the server. The response is sent as it
   * is: for a head that is wrong, since a client copes with a header too many better than without its
   * response.
   * @param violation a phrase, or the validator's error
   */
  report({ call }: Request, violation: unknown): void {
    const operationId = call.policy?.operationId
    const what = violation instanceof Error ? violation.message : violation
    this.#count += 1
    this.#meter.violated(operationId)
    const facts = { requestId: call.requestId, operationId, violation: what, count: this.#count }
    this.#log.error(facts, 'contract violated')
  }

  /** In place of a reply or a problem: 500 `internal`. */
  replaceResponse(req: Request, res: Response, violation: unknown): void {
    this.report(req, violation)
    for (const name of REPLY_HEADERS) res.removeHeader(name)
    writeProblem(req, res, new Problem('internal'))
  }

  /** In place of an event: the one that ends the stream. */
  replaceEvent(req: Request, violation: unknown): MessageErrorEvent {
    this.report(req, violation)
    return messageErrorView(new Problem('internal'), req.call)
  }

  /** In place of a record: nothing. The connection is cut, so that a part does not pass for the whole. */
  cutExport(req: Request, res: Response, violation: unknown): void {
    this.report(req, violation)
    res.destroy()
  }
}
