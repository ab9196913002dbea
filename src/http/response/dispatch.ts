import type { Request, RequestHandler, Response } from 'express'
import type { Policy } from '../../contract/policy.ts'
import type { Frame } from '../../contract/types.ts'
import type { KeptAnswer } from '../../store/store.ts'
import { answerEventStream, type EventStreamTools } from './event-stream.ts'
import { answerJsonLines, type JsonLinesTools } from './json-lines.ts'
import { setLimitHeaders } from './limit-headers.ts'
import { announceDeprecation } from '../request/moved.ts'
import { matchesVersion } from '../request/preconditions.ts'
import type { InvalidReply } from '../request/validator.ts'
import { setVersion } from './versioned.ts'

/** A handler as the journey calls it; its true types are checked where the handlers are written. */
export type AnyOperation = (input: unknown, caller: unknown, call: unknown) => Promise<AnyReply>

type AnyReply = {
  status: number
  headers?: Record<string, string | number>
  body?: unknown
  frames?: AsyncIterable<Frame<{ type: string }>>
  lines?: AsyncIterable<{ type: string }>
  /** An earlier call with the same `Idempotency-Key` did the work. */
  replayed?: true
}

export type DispatchTools = EventStreamTools & JsonLinesTools & { onInvalidReply: InvalidReply }

/** operationId -> operation -> response. */
export function dispatch(
  policy: Policy,
  operation: AnyOperation,
  tools: DispatchTools,
): RequestHandler {
  const headerNames = policy.headerParameters.map((name) => [name, name.toLowerCase()] as const)
  return async (req, res) => {
    const input = { path: req.params, query: req.query, headers: {}, body: req.body as unknown }
    if (headerNames.length > 0) input.headers = pickHeaders(req, headerNames)
    const reply = await run(req, () => operation(input, req.call.principal ?? null, req.call))
    const violation = violationOf(policy, reply)
    if (policy.deprecation) announceDeprecation(res, policy.deprecation)
    if (reply.replayed || req.call.isReplay) res.setHeader('Idempotency-Replayed', 'true')
    if (violation !== undefined) tools.onInvalidReply(req, res, violation)
    else if (reply.frames) await answerEventStream(req, res, reply.frames, tools)
    else if (reply.lines) await answerJsonLines(req, res, reply.lines, tools)
    else answer(req, res, reply)
  }
}

/** The reply; of a named call it is kept before it is sent, and its key is free if it fails. */
async function run({ call }: Request, operation: () => Promise<AnyReply>): Promise<AnyReply> {
  const { claim } = call
  if (!claim) return operation()
  const reply = await operation().catch(async (error: unknown) => {
    await claim.release().catch(() => undefined)
    throw error
  })
  await claim.keep(keptAnswer(reply))
  return reply
}

function keptAnswer({ status, headers = {}, body }: AnyReply): KeptAnswer {
  const texts = Object.entries(headers).map(([name, value]) => [name, String(value)])
  return {
    status,
    headers: Object.fromEntries(texts) as Record<string, string>,
    body: body === undefined ? '' : JSON.stringify(body),
  }
}

/** What the validator does not see: a status that is not documented, and a body that is not there. */
function violationOf({ replies }: Policy, reply: AnyReply): string | undefined {
  const { status } = reply
  if (!replies.has(status)) return `status ${status} is not documented`
  const type = replies.get(status)
  if (type === undefined) return reply.body === undefined ? undefined : `${status} has no body`
  return payloadOf(reply, type) === undefined ? `${status} needs a body of ${type}` : undefined
}

function payloadOf({ body, frames, lines }: AnyReply, type: string): unknown {
  if (type === 'text/event-stream') return frames
  return type === 'application/x-ndjson' ? lines : body
}

function answer(req: Request, res: Response, reply: AnyReply): void {
  const { ETag: etag, ...headers } = reply.headers ?? {}
  const revalidates = etag !== undefined && (req.method === 'GET' || req.method === 'HEAD')
  const isKnown = revalidates && matchesVersion(req.headers['if-none-match'], String(etag))
  res.statusCode = isKnown ? 304 : reply.status
  setLimitHeaders(res, req.call.limits)
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  if (etag === undefined) res.setHeader('Cache-Control', 'no-store')
  else setVersion(res, String(etag), revalidates ? 'private, no-cache' : 'no-store')
  if (isKnown || reply.body === undefined) res.end()
  else res.json(reply.body)
}

function pickHeaders(
  req: Request,
  names: readonly (readonly [string, string])[],
): Record<string, unknown> {
  const picked: Record<string, unknown> = {}
  for (const [name, key] of names) {
    if (req.headers[key] !== undefined) picked[name] = req.headers[key]
  }
  return picked
}
