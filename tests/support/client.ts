import supertest from 'supertest'
import type { operations, Problem } from '../../generated/api.ts'
import { policies } from '../../generated/policies.ts'
import type { Input, OperationId } from '../../src/contract/types.ts'

type Responses<K extends OperationId> = operations[K]['responses']

type BodyOf<Response> = Response extends { content: infer Content }
  ? Content[keyof Content]
  : undefined

/** A documented response of operation `K`; narrow it by its status. */
export type ApiResponse<K extends OperationId> = {
  [S in keyof Responses<K>]: {
    status: S
    headers: Record<string, string>
    body: BodyOf<Responses<K>[S]>
  }
}[keyof Responses<K>]

/** The parts of a request of operation `K`. */
export type ApiRequest<K extends OperationId> = Partial<Omit<Input<K>, 'headers'>> & {
  headers?: Record<string, string>
}

export type Tokens = { accessToken: string; refreshToken: string; sessionId: string }
export type Identity = Tokens & { email: string; password: string }

/** A client of the API. Only tests about URLs write URLs themselves. */
export type Client = {
  url: string
  /** The user of this client. @throws for a client without credentials */
  identity: Identity
  call<K extends OperationId>(operationId: K, request?: ApiRequest<K>): Promise<ApiResponse<K>>
  /** As `call`. @throws unless the response has this status */
  expect<K extends OperationId, S extends keyof Responses<K>>(
    status: S,
    operationId: K,
    request?: ApiRequest<K>,
  ): Promise<Extract<ApiResponse<K>, { status: S }>>
  /** As `call`. @throws unless the response is this problem */
  refused<K extends OperationId>(
    code: Problem['code'],
    operationId: K,
    request?: ApiRequest<K>,
  ): Promise<{ headers: Record<string, string>; body: Problem; status: number }>
  /** Returns the URL of an operation, for tests that send requests of their own. */
  urlOf<K extends OperationId>(operationId: K, request?: ApiRequest<K>): string
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
  return new HttpClient(url, who) as unknown as Client
}

/** A `Client` without its types, which follow from the contract. */
class HttpClient {
  readonly url: string
  readonly credentials: Record<string, string>
  readonly #identity: Identity | undefined

  constructor(url: string, who?: Identity | { apiKey: string }) {
    this.url = url
    this.credentials = credentialsOf(who)
    this.#identity = who && 'accessToken' in who ? who : undefined
  }

  get identity(): Identity {
    if (this.#identity) return this.#identity
    throw new Error('This client has no credentials')
  }

  readonly call = async (operationId: OperationId, request: AnyRequest = {}) => {
    const { method } = policies[operationId]
    const sent = supertest(this.url)[method](pathOf(operationId, request))
    void sent.set({ ...this.credentials, ...request.headers })
    const response = await (request.body === undefined ? sent : sent.send(request.body as object))
    const { status, headers } = response
    return { status, headers: headers as Record<string, string>, body: response.body as unknown }
  }

  readonly expect = async (status: number, operationId: OperationId, request?: AnyRequest) => {
    const response = await this.call(operationId, request)
    if (response.status === status) return response
    const got = `${String(response.status)} ${JSON.stringify(response.body)}`
    throw new Error(`${operationId} returned ${got} instead of ${String(status)}`)
  }

  readonly refused = async (code: string, operationId: OperationId, request?: AnyRequest) => {
    const response = await this.call(operationId, request)
    const body = response.body as Partial<Problem>
    const isProblem = response.headers['content-type'] === 'application/problem+json'
    if (isProblem && body.code === code) return response
    const got = `${String(response.status)} ${JSON.stringify(body)}`
    throw new Error(`${operationId} returned ${got} instead of ${code}`)
  }

  readonly urlOf = (operationId: OperationId, request: AnyRequest = {}) =>
    this.url + pathOf(operationId, request)

  readonly with = (tokens: Tokens) =>
    createClient(this.url, { email: '', password: '', ...this.#identity, ...tokens })
}

function pathOf(operationId: OperationId, request: AnyRequest): string {
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
