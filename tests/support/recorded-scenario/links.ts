import { contract, policyOf } from '../contract/contract.ts'
import { operationsIn, type Reference, resolve } from '../../../src/contract/document.ts'
import type { DocumentedId, Exchange, ScenarioRequest } from './exchange.ts'
import type { Credentials, Scenario } from './recorder.ts'

/** A Link Object of OpenAPI 3.0.3, as far as the contract uses it. */
type Link = { operationId: DocumentedId; parameters?: Record<string, string> }

const { document } = contract
const responses = new Map(operationsIn(document).map((one) => [one.operationId, one.responses]))

/**
 * Reads what the scenario has not read: calls each GET that the responses since `first` link to and that
 * no call has reached. An operation that reads one resource is recorded in this way; the scenario calls
 * only what links do not lead to.
 */
export async function followLinks(
  { call, exchanges }: Scenario,
  credentials: Credentials,
  first: number,
): Promise<void> {
  for (const exchange of exchanges.slice(first)) {
    for (const link of linksOf(exchange)) {
      const { operationId } = link
      const isCalled = exchanges.some((other) => other.operationId === operationId)
      if (isCalled || policyOf(operationId).method !== 'get') continue
      await call(credentials, operationId, requestOf(link, exchange))
    }
  }
}

function linksOf({ operationId, status }: Exchange): Link[] {
  const entry = responses.get(operationId)?.[String(status)]
  const links = (entry && resolve(document, entry).links) ?? {}
  return Object.values(links).map((link) => resolve(document, link as Link | Reference))
}

function requestOf(link: Link, exchange: Exchange): ScenarioRequest {
  const entries = Object.entries(link.parameters ?? {})
  return { path: Object.fromEntries(entries.map(([name, value]) => [name, read(value, exchange)])) }
}

/** Evaluates a runtime expression of a link. */
function read(expression: string, { request, body }: Exchange): string {
  const ofRequest = /^\$request\.path\.(\w+)$/.exec(expression)?.[1]
  const ofBody = /^\$response\.body#\/(\w+)$/.exec(expression)?.[1]
  const value =
    ofRequest === undefined
      ? (body as Record<string, unknown>)[ofBody ?? '']
      : request.path?.[ofRequest]
  if (typeof value === 'string') return value
  throw new Error(`${expression} has no value in the response of the scenario`)
}
