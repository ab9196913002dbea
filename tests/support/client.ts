import supertest from 'supertest'
import type { operations, Problem } from '../../generated/api.ts'
import { policies } from '../../generated/policies.ts'
import type { Input, OperationId } from '../../src/contract/types.ts'

type Responses<K extends OperationId> = operations[K]['responses']

type BodyOf<Response> = Response extends { content: infer Content }
  ? Content[keyof Content]
  : undefined

/** A documented response of operation `K`; narrow it by its status. */
export type Answer<K extends OperationId> = {
  [S in keyof Responses<K>]: {
    status: S
    headers: Record<string, string>
    body: BodyOf<Responses<K>[S]>
  }
}[keyof Responses<K>]

/** The parts of a request of operation `K`. */
export type Request<K extends OperationId> = Partial<Omit<Input<K>, 'headers'>> & {
  headers?: Record<string, string>
}

export type Tokens = { accessToken: string; refreshToken: string; sessionId: string }
export type Identity = Tokens & { email: string; password: string }

/** A client of the API. Only tests about URLs write URLs themselves. */
export type Client = {
  url: string
  /** The user of this client. @throws for a client without credentials */
  identity: Identity
  call<K extends OperationId>(operationId: K, request?: Request<K>): Promise<Answer<K>>
  /** As `call`. @throws unless the response has this status */
  expect<K extends OperationId, S extends keyof Responses<K>>(
    status: S,
    operationId: K,
    request?: Request<K>,
  ): Promise<Extract<Answer<K>, { status: S }>>
  /** As `call`. @throws unless the response is this problem */
  refused<K extends OperationId>(
    code: Problem['code'],
    operationId: K,
    request?: Request<K>,
  ): Promise<{ headers: Record<string, string>; body: Problem; status: number }>
  /** Returns the URL of an operation, for tests that send requests of their own. */
  urlOf<K extends OperationId>(operationId: K, request?: Request<K>): string
  /** The headers that authenticate the client. */
  credentials: Record<string, string>
  /** The same user with other tokens. */
  with(tokens: Tokens): Client
}

const BASE_PATH = '/api/v1'

/**
 * @param url of the server, without a path
 * @param who the tokens of a user, or an API key; without it, the client has no credentials
 */
export function createClient(url: string, who?: Identity | { apiKey: string }): Client {
  const identity = who && 'accessToken' in who ? who : undefined
  const credentials = credentialsOf(who)

  const pathOf = (operationId: OperationId, request: AnyRequest): string => {
    const filled = policies[operationId].path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(String(request.path?.[name])),
    )
    const query = new URLSearchParams(
      Object.entries(request.query ?? {}).map(([key, value]): [string, string] => [
        key,
        String(value),
      ]),
    )
    return `${BASE_PATH}${filled}${query.size > 0 ? `?${query.toString()}` : ''}`
  }

  const call = async (operationId: OperationId, request: AnyRequest = {}) => {
    const { method } = policies[operationId]
    const agent = supertest(url)
    const sent = agent[method](pathOf(operationId, request))
    void sent.set({ ...credentials, ...request.headers })
    const answer = await (request.body === undefined ? sent : sent.send(request.body as object))
    const { status, headers } = answer
    return { status, headers: headers as Record<string, string>, body: answer.body as unknown }
  }

  const expect = async (wanted: number, operationId: OperationId, request?: AnyRequest) => {
    const answer = await call(operationId, request)
    if (answer.status === wanted) return answer
    const got = `${String(answer.status)} ${JSON.stringify(answer.body)}`
    throw new Error(`${operationId} answered ${got} instead of ${String(wanted)}`)
  }

  const refused = async (code: string, operationId: OperationId, request?: AnyRequest) => {
    const answer = await call(operationId, request)
    const { body } = answer as { body: Partial<Problem> }
    const isProblem = answer.headers['content-type'] === 'application/problem+json'
    if (isProblem && body.code === code) return answer
    throw new Error(
      `${operationId} answered ${String(answer.status)} ${JSON.stringify(body)} instead of ${code}`,
    )
  }

  return {
    url,
    get identity() {
      if (identity) return identity
      throw new Error('Nobody has no identity')
    },
    credentials,
    call,
    expect,
    refused,
    urlOf: (operationId: OperationId, request: AnyRequest = {}) =>
      url + pathOf(operationId, request),
    with: (tokens: Tokens) =>
      createClient(url, { email: '', password: '', ...identity, ...tokens }),
  } as unknown as Client
}

function credentialsOf(who?: Identity | { apiKey: string }): Record<string, string> {
  if (who === undefined) return {}
  return 'apiKey' in who
    ? { 'X-API-Key': who.apiKey }
    : { Authorization: `Bearer ${who.accessToken}` }
}

type AnyRequest = {
  path?: Record<string, unknown>
  query?: Record<string, unknown>
  headers?: Record<string, string>
  body?: unknown
}
