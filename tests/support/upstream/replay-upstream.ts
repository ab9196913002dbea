import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Reply, When } from './upstream-cases.ts'

type Body = { model: string; messages: { role: string; content: string }[] } & Record<
  string,
  unknown
>

/** A model server that replays recorded replies: each request gets the first that matches. */
export class ReplayUpstream {
  /** The bodies of the requests for a completion, in order. */
  readonly asked: Body[] = []
  models: readonly string[] = []
  readonly #server = createServer((request, response) => void this.#serve(request, response))
  #replies: { reply: Reply; left: number }[] = []

  /** Replaces the replies and forgets earlier requests. */
  play(replies: readonly Reply[]): void {
    this.#replies = replies.map((reply) => ({ reply, left: reply.times ?? Infinity }))
    this.asked.length = 0
  }

  /** `http://127.0.0.1:<port>` */
  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    request.setEncoding('utf8')
    for await (const piece of request) text += String(piece)
    const { pathname } = new URL(request.url ?? '', this.origin)
    if (pathname.endsWith('/models')) {
      give(this.#take('models') ?? listOf(this.models), response)
      return
    }
    const body = JSON.parse(text) as Body
    this.asked.push(body)
    give(this.#take('chat', body) ?? NOTHING_FITS, response)
  }

  #take(to: 'chat' | 'models', body?: Body): Reply | undefined {
    const found = this.#replies.find(({ reply, left }) => {
      return left > 0 && (reply.to ?? 'chat') === to && (!body || fits(body, reply.when ?? {}))
    })
    if (found) found.left -= 1
    return found?.reply
  }
}

const NOTHING_FITS: Reply = { status: 599, body: 'No reply of this case is for this request.' }

function listOf(models: readonly string[]): Reply {
  const data = models.map((id) => ({ id, object: 'model' }))
  return { body: JSON.stringify({ object: 'list', data }) }
}

function fits(body: Body, { has = [], lacks = [], role, model, messagesOver }: When): boolean {
  return (
    has.every((field) => field in body) &&
    lacks.every((field) => !(field in body)) &&
    (role === undefined || body.messages.some((message) => message.role === role)) &&
    (model === undefined || body.model === model) &&
    (messagesOver === undefined || body.messages.length > messagesOver)
  )
}

function give({ status = 200, headers, body, stream, end }: Reply, response: ServerResponse): void {
  const type = stream === undefined ? 'application/json' : 'text/event-stream; charset=utf-8'
  response.writeHead(status, { 'Content-Type': type, ...headers })
  const text = stream ?? body ?? ''
  if (end === undefined) response.end(text)
  else if (end === 'silent') response.write(text)
  // The client reads what was written before it sees the end of the connection.
  else response.write(text, () => response.socket?.end())
}
