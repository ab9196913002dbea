import type { Request, RequestHandler } from 'express'
import type { Policy } from '../../contract/policy.ts'
import type { ResponseCheck } from '../../contract/responses/response-check.ts'
import type { KeptReply } from '../../store/store.ts'
import type { CallState } from '../request/call-state.ts'
import type { AnyOperation, AnyReply } from './any-operation.ts'
import type { ContractViolations } from './contract-violations.ts'
import { announceDeprecation } from './deprecation.ts'
import { type EventStreamTools, sendEventStream } from './event-stream.ts'
import { type JsonLinesTools, sendJsonLines } from './json-lines.ts'
import { sendJson } from './json-reply.ts'

export type DispatchTools = EventStreamTools &
  JsonLinesTools & { check: ResponseCheck; violations: ContractViolations }

/** Runs the operation and sends its reply. */
export function dispatch(
  policy: Policy,
  operation: AnyOperation,
  tools: DispatchTools,
): RequestHandler {
  const { operationId, deprecation } = policy
  const pickHeaders = headerPicker(policy)
  return async (req, res) => {
    const { call, params: path, query } = req
    const input = { path, query, headers: pickHeaders(req), body: req.body as unknown }
    const reply = await run(call, () => operation(input, call.principal ?? null, call))
    const violation = tools.check.reply(operationId, reply)
    if (violation !== undefined) {
      tools.violations.replaceResponse(req, res, violation)
      return
    }
    if (deprecation) announceDeprecation(res, deprecation)
    if (reply.replayed) res.setHeader('Idempotency-Replayed', 'true')
    if (reply.frames) await sendEventStream(req, res, reply.frames, tools)
    else if (reply.lines) await sendJsonLines(req, res, reply.lines, tools)
    else sendJson(req, res, reply)
  }
}

/** Stores the reply of a call with a key before it is sent; if the call fails, its key is free again. */
async function run({ claim }: CallState, operation: () => Promise<AnyReply>): Promise<AnyReply> {
  if (!claim) return operation()
  const reply = await operation().catch(async (error: unknown) => {
    await claim.release().catch(() => undefined)
    throw error
  })
  await claim.keep(storedReply(reply))
  return reply
}

function storedReply({ status, headers = {}, body }: AnyReply): KeptReply {
  const texts = Object.entries(headers).map(([name, value]) => [name, String(value)])
  return {
    status,
    headers: Object.fromEntries(texts) as Record<string, string>,
    body: body === undefined ? '' : JSON.stringify(body),
  }
}

/** Picks the header parameters, under the names that the contract gives them. */
function headerPicker({ headerParameters }: Policy): (req: Request) => Record<string, unknown> {
  const names = headerParameters.map((name) => [name, name.toLowerCase()] as const)
  return ({ headers }) => {
    const picked: Record<string, unknown> = {}
    for (const [name, key] of names) {
      if (headers[key] !== undefined) picked[name] = headers[key]
    }
    return picked
  }
}
