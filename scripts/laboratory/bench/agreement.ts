import { isDeepStrictEqual } from 'node:util'
import { loadContract, operationsIn, resolve } from '../../../src/contract/document.ts'
import type { ResponseObject } from '../../../src/contract/document.ts'
import { createSchemaChecks, type SchemaCheck } from '../../../src/contract/schema-checks.ts'
import type { Call, Operation } from './operations.ts'
import type { Running } from './servers.ts'

/** The response of a server, to compare others with. */
export type Answer = { status: number; headers: Record<string, string>; text: string }

/** The properties that differ between any two responses. */
const OWN: Record<string, readonly string[]> = {
  createConversation: ['id', 'createdAt', 'updatedAt'],
  listConversations: ['nextCursor'],
}
/**
 * Invalid calls, and the statuses by which a server may refuse each. Flask-JWT-Extended has its own status
 * for malformed tokens.
 */
type Spoilt = { name: string; of: string; call: (call: Call) => Call; statuses: number[] }
const SPOILT: readonly Spoilt[] = [
  { name: 'no token', of: 'getProfile', call: withToken(undefined), statuses: [401] },
  { name: 'a forged token', of: 'getProfile', call: withToken(forged), statuses: [401, 422] },
  {
    name: 'a page of 1000',
    of: 'listConversations',
    call: withPath('?limit=20', '?limit=1000'),
    statuses: [400],
  },
  {
    name: 'an unknown parameter',
    of: 'listConversations',
    call: withPath('?', '?nothing=1&'),
    statuses: [400],
  },
  {
    name: 'another caller’s conversation',
    of: 'getConversation',
    call: withPath(/[^/]+$/, '00000000-0000-7000-8000-000000000000'),
    statuses: [404],
  },
  {
    name: 'a title that is a number',
    of: 'createConversation',
    call: (call) => ({ ...call, body: '{"title":1,"mode":"concise"}' }),
    statuses: [400],
  },
  {
    name: 'a property too many',
    of: 'createConversation',
    call: (call) => ({ ...call, body: '{"title":"a","mode":"concise","more":1}' }),
    statuses: [400],
  },
]

/** Calls each operation once. */
export async function answersOf(
  server: Running,
  operations: readonly Operation[],
): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>()
  for (const { name, calls } of operations) answers.set(name, await send(server, calls[0]!))
  return answers
}

/**
 * Compares the responses of a server with the contract and with Parley's, so that no server is faster by
 * doing less.
 * @param like Parley's responses to the same calls
 * @throws listing every difference
 */
export async function refuseDifferent(
  server: Running,
  operations: readonly Operation[],
  like: ReadonlyMap<string, Answer>,
): Promise<void> {
  const wrong: string[] = []
  const answers = await answersOf(server, operations)
  for (const { name, operationId } of operations) {
    const difference = differenceOf(operationId, answers.get(name)!, like.get(name)!)
    if (difference !== undefined) wrong.push(`${name}: ${difference}`)
  }
  if (wrong.length > 0)
    throw new Error(`${server.name} does not answer alike:\n${wrong.join('\n')}`)
}

/** @throws if a server accepts a call that the contract refuses */
export async function refuseCareless(
  server: Running,
  operations: readonly Operation[],
): Promise<void> {
  for (const spoilt of SPOILT) {
    const operation = operations.find(({ operationId }) => operationId === spoilt.of)
    if (!operation) continue
    const { status } = await send(server, spoilt.call(operation.calls[0]!))
    if (spoilt.statuses.includes(status)) continue
    throw new Error(`${server.name} answers ${status} to ${spoilt.name}.`)
  }
}

function differenceOf(operationId: string, answer: Answer, like: Answer): string | undefined {
  if (answer.status !== like.status) return `status ${answer.status}: ${answer.text}`
  for (const name of ['x-request-id', 'ratelimit', 'etag', 'location']) {
    const isThere = Object.keys(answer.headers).some((header) => header.includes(name))
    if (name in like.headers && !isThere) return `has no ${name}`
  }
  const body: unknown = JSON.parse(answer.text)
  const violation = checkOf(operationId, answer.status)(body)
  if (violation !== undefined) return violation
  const [mine, its] = [like.text, answer.text].map((text) => comparable(operationId, text))
  return isDeepStrictEqual(mine, its) ? undefined : `${answer.text} is not ${like.text}`
}

function comparable(operationId: string, text: string): unknown {
  const body = JSON.parse(text) as Record<string, unknown>
  if (operationId === 'getRateLimits') {
    return (body['data'] as { policy: string }[]).map(({ policy }) => policy)
  }
  for (const key of OWN[operationId] ?? []) if (key in body) body[key] = 'its own'
  return body
}

const { document } = loadContract()
const checkAt = createSchemaChecks(document)

function checkOf(operationId: string, status: number): SchemaCheck {
  const operation = operationsIn(document).find((one) => one.operationId === operationId)!
  const { content }: ResponseObject = resolve(document, operation.responses[status]!)
  const { $ref } = content!['application/json']!.schema as { $ref: string }
  return checkAt($ref)
}

async function send(server: Running, { method, path, headers, body }: Call): Promise<Answer> {
  const url = `${server.origin}${path}`
  const response = await fetch(url, { method, headers, body: body ?? null })
  const { status } = response
  return { status, headers: Object.fromEntries(response.headers), text: await response.text() }
}

function withToken(change: ((token: string) => string) | undefined) {
  return (call: Call): Call => {
    const { authorization, ...headers } = call.headers
    if (!change || authorization === undefined) return { ...call, headers }
    return { ...call, headers: { ...headers, authorization: change(authorization) } }
  }
}

/** Another subject under the same signature. */
function forged(authorization: string): string {
  const [head = '', , signature = ''] = authorization.split('.')
  const claims = Buffer.from(JSON.stringify({ sub: 'somebody', exp: 9_999_999_999 }))
  return `${head}.${claims.toString('base64url')}.${signature}`
}

function withPath(from: string | RegExp, to: string) {
  return (call: Call): Call => ({ ...call, path: call.path.replace(from, to) })
}
