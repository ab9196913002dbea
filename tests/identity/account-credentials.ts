import type { Subject } from '../support/account-calls.ts'
import { createClient } from '../support/client.ts'
import type { TestServer } from '../support/server.ts'
import { send, type WireResponse } from '../support/wire/wire.ts'

/** The credentials that an account has ever received. */
export class Credentials {
  readonly tokens = new Set<string>()
  readonly refreshTokens = new Set<string>()
  readonly #subject: Subject

  constructor(subject: Subject) {
    this.#subject = subject
    const { credentials, refreshToken } = subject
    for (const text of Object.values(credentials)) this.tokens.add(text.replace('Bearer ', ''))
    if (refreshToken !== undefined) this.refreshTokens.add(refreshToken)
  }

  /** Adds the credentials of a response. */
  record({ status, headers, text }: WireResponse): void {
    if (status >= 300 || !/\bjson$/.test(headers['content-type'] ?? '')) return
    const body = JSON.parse(text) as Record<string, string>
    for (const token of [body['accessToken'], body['secret']]) if (token) this.tokens.add(token)
    if (body['refreshToken']) this.refreshTokens.add(body['refreshToken'])
  }

  /** Uses each of them. @returns the statuses, each once */
  async tryAll({ url, anonymous }: TestServer): Promise<number[]> {
    const statuses: number[] = []
    for (const token of this.tokens) {
      const headers = { Authorization: `Bearer ${token}` }
      const address = createClient(url).urlOf('listConversations')
      statuses.push((await send(address, { headers })).status)
    }
    for (const refreshToken of this.refreshTokens) {
      statuses.push((await anonymous.call('refreshTokens', { body: { refreshToken } })).status)
    }
    const { email, password } = this.#subject
    if (email !== undefined && password !== undefined) {
      statuses.push((await anonymous.call('logIn', { body: { email, password } })).status)
    }
    return [...new Set(statuses)].toSorted()
  }
}
