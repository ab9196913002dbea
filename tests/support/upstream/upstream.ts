import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { UpstreamCall, UpstreamScript } from './upstream-script.ts'
import { drop, steps, writeSplit } from './upstream-stream.ts'

export type { UpstreamCall, UpstreamScript } from './upstream-script.ts'

/**
 * A real HTTP server that speaks the OpenAI chat-completions stream, and misbehaves as its script says.
 *
 *     await using upstream = await startUpstream({ words: ['Hi', ' there'] })
 *     ... CHAT_UPSTREAM_URL: upstream.url ...
 *     upstream.script = { stallAfter: 1 }      // from the next request on
 *     upstream.completions[0].body.messages    // what it received
 */
export class TestUpstream {
  script: UpstreamScript
  /** All requests, in order. */
  readonly calls: UpstreamCall[] = []
  readonly #server = createServer((request, response) => void this.#serve(request, response))
  #refused = 0
  #reset = 0
  #stalled: (() => void)[] = []
  #watchers: (() => void)[] = []

  constructor(script: UpstreamScript) {
    this.script = script
  }

  /** The base URL, ending with /v1. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`
  }

  /** The requests for completions, in order. */
  get completions(): UpstreamCall[] {
    return this.calls.filter(({ path }) => path === '/v1/chat/completions')
  }

  /** Resolves with the nth completion request (from 1), as soon as it has arrived. */
  async completion(n: number): Promise<UpstreamCall> {
    for (;;) {
      const call = this.completions[n - 1]
      if (call) return call
      await new Promise<void>((resolve) => this.#watchers.push(resolve))
    }
  }

  /** Resumes every stalled response. */
  release(): void {
    for (const resume of this.#stalled.splice(0)) resume()
  }

  async listen(port = 0): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** Stops at once and closes open connections. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    this.release()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { script } = this
    const call = await this.#record(request, response)
    if (call.path === '/v1/chat/completions') {
      await this.#complete(script, call, response)
      return
    }
    if (call.path !== '/v1/models') {
      sendJson(response, 404, {})
      return
    }
    if (script.modelsStall) await this.#stall(response)
    sendModels(script, response)
  }

  async #complete(script: UpstreamScript, call: UpstreamCall, response: ServerResponse) {
    if (script.redirectTo !== undefined) {
      response.writeHead(307, { Location: script.redirectTo }).end()
      return
    }
    const refusal = await this.#refusalOf(script, call, response)
    if (refusal) {
      if (script.retryAfter !== undefined) response.setHeader('Retry-After', script.retryAfter)
      sendJson(response, refusal.status, refusal.body)
      return
    }
    if (this.#reset < (script.resets ?? 0)) {
      this.#reset++
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
      drop(response)
      return
    }
    if (script.reply) {
      sendReply(script.reply, response)
      return
    }
    await this.#stream(script, call, response)
  }

  /** Returns how the script refuses this completion; undefined if it does not. */
  async #refusalOf(script: UpstreamScript, call: UpstreamCall, response: ServerResponse) {
    const status = script.refusals?.[this.#refused] ?? script.status ?? 200
    if (script.refusals && this.#refused < script.refusals.length) this.#refused++
    if (status !== 200) return { status, body: { error: { message: 'refused' } } }
    if (script.respondsLate) await this.#stall(response)
    return script.refuses?.(call.body)
  }

  async #record(request: IncomingMessage, response: ServerResponse): Promise<UpstreamCall> {
    let body = ''
    request.setEncoding('utf8')
    for await (const piece of request) body += String(piece)
    const call: UpstreamCall = {
      path: request.url ?? '',
      method: request.method ?? '',
      headers: request.headers,
      body: body === '' ? undefined : JSON.parse(body),
      aborted: false,
      bytesWritten: 0,
      closed: new Promise((resolve) => {
        response.once('close', () => {
          call.aborted = !response.writableFinished
          resolve()
        })
      }),
    }
    this.calls.push(call)
    for (const notify of this.#watchers.splice(0)) notify()
    return call
  }

  async #stream(script: UpstreamScript, call: UpstreamCall, response: ServerResponse) {
    const write = (text: string) => writeSplit(text, script.bytesPerWrite, call, response)
    for (const step of steps(script, call.body.model)) {
      if (response.destroyed) return
      if (step === 'stall') await this.#stall(response)
      else if (step === 'drop') {
        drop(response)
        return
      } else await write(step)
    }
    response.end()
  }

  #stall(response: ServerResponse): Promise<void> {
    return new Promise((resolve) => {
      this.#stalled.push(resolve)
      response.once('close', resolve)
    })
  }
}

/** Starts an upstream on a free port. Close it, or declare it with `await using`. */
export async function startUpstream(script: UpstreamScript = {}): Promise<TestUpstream> {
  const upstream = new TestUpstream(script)
  await upstream.listen()
  return upstream
}

export function sendModels(script: UpstreamScript, response: ServerResponse): void {
  const data = (script.models ?? ['test-model']).map((id) => ({ id, object: 'model' }))
  sendJson(response, script.modelsStatus ?? 200, { object: 'list', data })
}

export function sendReply(
  { contentType, body, headers }: NonNullable<UpstreamScript['reply']>,
  response: ServerResponse,
): void {
  // The wrong length is deliberate.
  response.strictContentLength = false
  const { socket } = response
  response.writeHead(200, { 'Content-Type': contentType, ...headers }).end(body, () => {
    if (headers?.['Content-Length'] !== undefined) socket?.end()
  })
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}
