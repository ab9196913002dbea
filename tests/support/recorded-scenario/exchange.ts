import type { policies as documented } from '../../../generated/policies.ts'
import { policies, policyOf } from '../contract/contract.ts'
import { fillPath } from '../contract/operations.ts'

/** Every operation of the contract, those that have moved included. */
export type DocumentedId = keyof typeof documented

/** The request of a caller in the scenario. */
export type ScenarioRequest = {
  path?: Record<string, string>
  query?: Record<string, string | number | boolean>
  headers?: Record<string, string>
  body?: unknown
}

/** One call of the scenario and its response. */
export type Exchange = {
  operationId: DocumentedId
  request: ScenarioRequest
  status: number
  /** By lower-case name. */
  headers: Record<string, string>
  /** JSON; of a stream its events, of lines their records; undefined where there is none. */
  body: unknown
}

/** Calls an operation and parses the response. */
export async function exchange(
  url: string,
  credentials: Record<string, string>,
  operationId: DocumentedId,
  request: ScenarioRequest,
): Promise<Exchange> {
  const policy = policyOf(operationId)
  // An operation that has moved is served only at its old path.
  const moved = policies.moved.find(
    ({ policy: { movedTo } }) => movedTo && movedTo === policy.movedTo,
  )
  const place = moved?.from ?? fillPath(policy, (name) => request.path![name]!)
  const query = new URLSearchParams(
    Object.entries(request.query ?? {}).map(([name, value]): [string, string] => [
      name,
      String(value),
    ]),
  )
  const response = await fetch(`${url}${place}${query.size > 0 ? `?${query.toString()}` : ''}`, {
    method: policy.method.toUpperCase(),
    redirect: 'manual',
    headers: {
      ...credentials,
      ...(request.body !== undefined && { 'Content-Type': 'application/json' }),
      ...request.headers,
    },
    ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
  })
  const body = parse(response.headers.get('content-type'), await response.text())
  const headers = Object.fromEntries(response.headers)
  return { operationId, request, status: response.status, headers, body }
}

function parse(mediaType: string | null, text: string): unknown {
  if (text === '') return undefined
  if (mediaType === 'text/event-stream') {
    return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!) as unknown)
  }
  if (mediaType === 'application/x-ndjson') {
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
  }
  return JSON.parse(text)
}
