import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { OperationId } from '../../../src/contract/types.ts'
import {
  type ApiResponse,
  type Client,
  createClient,
  type Identity,
  type ApiRequest,
} from '../../../tests/support/client.ts'
import { BROKEN, type Diary } from './diary.ts'
import type { Instance } from './instance.ts'

const ATTEMPTS = 60
const RETRY_MS = 1_000
const PASSWORD = 'nine lives and a long memory'

/** The caller behind one user: retries each call at a random instance until it succeeds. */
export class Caller {
  readonly #email: string
  readonly #instances: readonly Instance[]
  readonly #diary: Diary
  #identity: Identity | undefined

  constructor(email: string, instances: readonly Instance[], diary: Diary) {
    this.#email = email
    this.#instances = instances
    this.#diary = diary
  }

  /** Returns a client of a random instance, with the tokens of this user. */
  client(): Client {
    return createClient(this.#instances[randomInt(this.#instances.length)]!.url(), this.#identity)
  }

  /** Retries until the response has this status; the diary records every attempt. */
  async call<K extends OperationId, S extends ApiResponse<K>['status']>(
    status: S,
    operationId: K,
    request?: ApiRequest<K>,
  ): Promise<Extract<ApiResponse<K>, { status: S }>> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const answer = await this.client()
        .call(operationId, request)
        .catch((error: unknown) => ({ status: BROKEN, body: String(error) }))
      this.#diary.note(operationId, Number(answer.status), JSON.stringify(answer.body))
      if (answer.status === status) return answer as Extract<ApiResponse<K>, { status: S }>
      await pause(RETRY_MS)
    }
    throw new Error(`${operationId} never responded with ${String(status)}`)
  }

  /**
   * Retries a call that cannot succeed twice. Only a retry may get a status other than the first of
   * `statuses`: the response of an earlier attempt may have been lost.
   */
  async callOnce<K extends OperationId>(
    statuses: readonly number[],
    operationId: K,
    request: ApiRequest<K>,
  ): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const { status } = await this.client()
        .call(operationId, request)
        .then((answer) => ({ status: Number(answer.status) }))
        .catch(() => ({ status: BROKEN }))
      const isDone = attempt === 0 ? status === statuses[0] : statuses.includes(status)
      this.#diary.note(operationId, isDone ? statuses[0]! : status)
      if (isDone) return
      await pause(RETRY_MS)
    }
    throw new Error(`${operationId} never ended`)
  }

  async register(): Promise<void> {
    const body = { email: this.#email, password: PASSWORD, displayName: 'A user' }
    await this.call(201, 'register', { body })
    await this.logIn()
  }

  async logIn(): Promise<void> {
    const login = { email: this.#email, password: PASSWORD }
    const { body } = await this.call(200, 'logIn', { body: login })
    this.#identity = { ...body, ...login }
  }

  /**
   * A replaced refresh token stays valid for another 30 s. If no response arrives for longer than
   * that, the user logs in again.
   */
  async refresh(): Promise<void> {
    const { refreshToken } = this.#identity!
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const { status, body } = await this.client()
        .call('refreshTokens', { body: { refreshToken } })
        .catch(() => ({ status: BROKEN, body: undefined }))
      if (status === 401 && attempt > 0) return this.logIn()
      this.#diary.note('refreshTokens', status)
      if (status === 200) {
        this.#identity = { ...this.#identity!, ...body }
        return
      }
      await pause(RETRY_MS)
    }
    throw new Error('refreshTokens never ended')
  }

  /** If the first response was lost, the session has ended and the retry gets 401. */
  async logOut(): Promise<void> {
    await this.callOnce([204, 401], 'logOut', { body: { scope: 'current' } })
  }
}
