import type { Request, Response } from 'express'
import type { ProblemCode } from '../../../generated/api.ts'
import type { Policy } from '../../contract/policy.ts'
import type { Principal } from '../../domain/access/principal.ts'
import type { CallState } from './call-state.ts'
import { addressOf } from './client-address.ts'
import { HungUp } from './hung-up.ts'

const LONGEST_USER_AGENT = 256

/** A class, so that V8 knows from the start which properties the later steps set. */
export class ReceivedCall implements CallState {
  readonly requestId: string
  readonly path: string
  readonly address: string
  readonly userAgent: string
  readonly startedAtMs: number
  limits: CallState['limits'] = []
  charges: CallState['charges'] = []
  auditable: CallState['auditable'] = []
  policy?: Policy
  principal?: Principal
  problemCode?: ProblemCode
  readonly #res: Response
  #hangUp?: AbortController

  constructor(req: Request, res: Response, received: { requestId: string; startedAtMs: number }) {
    this.requestId = received.requestId
    this.path = pathOf(req.url)
    this.address = addressOf(req)
    this.userAgent = (req.headers['user-agent'] ?? '').slice(0, LONGEST_USER_AGENT)
    this.startedAtMs = received.startedAtMs
    this.#res = res
  }

  /** Created on demand: few calls need it, and a signal costs as much as the limits. */
  get hungUp(): AbortSignal {
    if (!this.#hangUp) {
      this.#hangUp = new AbortController()
      if (this.#res.closed) this.noteEnd()
    }
    return this.#hangUp.signal
  }

  /** Called when the response has closed. */
  noteEnd(): void {
    if (!this.#res.writableFinished) this.#hangUp?.abort(new HungUp())
  }

  // A client that hangs up early may be gone before there is anything to run.
  readonly whenOver = (run: () => void): void => {
    if (this.#res.destroyed) run()
    else this.#res.once('close', run)
  }
}

function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}
