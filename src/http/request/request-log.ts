import { isIP } from 'node:net'
import type { Request, RequestHandler, Response } from 'express'
import type { ProblemCode } from '../../../generated/api.ts'
import type { Policy } from '../../contract/policy.ts'
import type { Principal } from '../../domain/access/principal.ts'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Ids } from '../../ports/ids.ts'
import type { Log } from '../../ports/observability/log.ts'
import type { CallState } from './call-state.ts'
import { settleTarget } from '../connection/request-target.ts'

/** A caller's own id is kept, unless it is a secret of ours that went to the wrong header. */
const CALLERS_OWN_ID = /^(?!parley_)[A-Za-z0-9._-]{1,128}$/
const LONGEST_USER_AGENT = 256

/** Why something stops that nobody waits for any more. */
export class HungUp extends Error {
  override readonly name = 'HungUp'

  constructor() {
    super('The client hung up.')
  }
}

/** Gives every request its id, and writes one line when it is over. */
export function logRequests(deps: { log: Log; clock: Clock; ids: Ids }): RequestHandler {
  const { log, clock, ids } = deps
  return (req, res, next) => {
    settleTarget(req)
    const own = req.headers['x-request-id']
    const requestId = typeof own === 'string' && CALLERS_OWN_ID.test(own) ? own : ids.requestId()
    const call = new BegunCall(req, res, { requestId, startedAtMs: clock.monotonicMs() })
    req.call = call
    res.setHeader('X-Request-Id', requestId)
    res.once('close', () => {
      call.noteEnd()
      writeLine(log, clock, req, res)
    })
    next()
  }
}

/** A class, so that V8 knows from the start which properties the journey will fill. */
class BegunCall implements CallState {
  readonly requestId: string
  readonly path: string
  readonly address: string
  readonly userAgent: string
  readonly startedAtMs: number
  readonly limits: CallState['limits'] = []
  readonly charges: CallState['charges'] = []
  auditable: CallState['auditable'] = []
  policy?: Policy
  principal?: Principal
  problemCode?: ProblemCode
  readonly #res: Response
  #hangUp?: AbortController

  constructor(req: Request, res: Response, begun: { requestId: string; startedAtMs: number }) {
    this.requestId = begun.requestId
    this.path = pathOf(req.url)
    this.address = addressOf(req)
    this.userAgent = (req.headers['user-agent'] ?? '').slice(0, LONGEST_USER_AGENT)
    this.startedAtMs = begun.startedAtMs
    this.#res = res
  }

  /** Made for whoever asks, which few do: a signal costs as much as the limits. */
  get hungUp(): AbortSignal {
    if (!this.#hangUp) {
      this.#hangUp = new AbortController()
      if (this.#res.closed) this.noteEnd()
    }
    return this.#hangUp.signal
  }

  noteEnd(): void {
    if (!this.#res.writableFinished) this.#hangUp?.abort(new HungUp())
  }

  // Whoever hangs up early may be gone before there is anything to run.
  readonly whenOver = (run: () => void): void => {
    if (this.#res.destroyed) run()
    else this.#res.once('close', run)
  }
}

function writeLine(log: Log, clock: Clock, req: Request, res: Response): void {
  const { requestId, traceId, policy, principal, address, startedAtMs, problemCode } = req.call
  const line = {
    requestId,
    traceId,
    operationId: policy?.operationId,
    method: req.method,
    status: res.statusCode,
    durationMs: Math.round((clock.monotonicMs() - startedAtMs) * 100) / 100,
    address,
    principalId: principal?.id,
    problem: problemCode,
    hungUp: res.writableFinished ? undefined : true,
  }
  if (res.statusCode >= 500) log.error(line, 'request')
  else log.info(line, 'request')
}

function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

/**
 * The client's address, IPv4 in its plain form. What a trusted proxy wrote may be anything: if it is
 * no address, it is the proxy itself that counts. Some proxies write a port behind it.
 */
function addressOf(req: Request): string {
  const { remoteAddress } = req.socket
  // Nothing was forwarded: there is nobody to trust, or not.
  if (req.headers['x-forwarded-for'] === undefined && remoteAddress !== undefined) {
    return plainAddress(remoteAddress)
  }
  const written = req.ip?.replace(/^\[([^\]]+)\](?::\d+)?$|^(\d+(?:\.\d+){3}):\d+$/, '$1$2')
  const address = written !== undefined && isIP(written) > 0 ? written : remoteAddress
  return address === undefined ? 'unknown' : plainAddress(address)
}

function plainAddress(address: string): string {
  // Sockets of both families give IPv4 addresses as `::ffff:192.0.2.1`.
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
