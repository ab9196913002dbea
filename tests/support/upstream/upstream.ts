import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const DROP_DELAY_MS = 30

/**
 * How the upstream behaves. Everything is optional; `{}` is a well-behaved server that answers "Hello from upstream."
 * Positions (`stallAfter`, `dropAfter` …) count words: 0 is before the first.
 */
export interface UpstreamScript {
  /** The pieces of text, one chunk each. */
  words?: readonly string[]
  /** Ids that `GET /models` lists; the first is the default model. */
  models?: readonly string[]
  /** Lists nothing until `release()`. */
  modelsStall?: true
  /** The status of `GET /models`. */
  modelsStatus?: number
  /** Statuses of the first completions, in order; after them it behaves: `[429]` is "429 then fine". */
  refusals?: readonly number[]
  /** Answers every completion with 307 to this address. */
  redirectTo?: string
  /** The status of every completion. */
  status?: number
  /** Waits for `release()` before it refuses or answers. */
  refusesLate?: true
  /** Refuses whatever completion this gives an answer for, by the body that was asked. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads any path of it
  refuses?: (body: any) => { readonly status: number; readonly body: unknown } | undefined
  /** Sent with every refusal. */
  retryAfter?: string
  /** Answers every completion with this body instead of a stream. */
  instead?: {
    readonly contentType: string
    readonly body: string | Uint8Array
    /** Over those that are true: a length or an encoding that lies, say. */
    readonly headers?: Record<string, string>
  }
  /** Repeats this text before the first word until the reader goes away, as fast as it reads. */
  preambleForEver?: string
  /** Resets the connection: the first completions, so many, after their head and before any event. */
  resets?: number
  /** Goes silent after so many words until `release()`; 0 sends not even the head. */
  stallAfter?: number
  /** Destroys the socket after so many words; 0 sends not even the head. */
  dropAfter?: number
  /** Sends an event that is not JSON after so many words. */
  garbageAfter?: number
  /** Sends an `error` object after so many words. */
  errorAfter?: number
  /** Where usage is reported. Default 'final': a last chunk with no choices. */
  usage?: 'final' | 'in-last-choice' | 'never'
  /** Leaves out `finish_reason`. */
  withoutFinish?: true
  /** Leaves out `[DONE]`. */
  withoutDone?: true
  /** Keeps the connection open after the last event, until `release()`. */
  staysOpen?: true
  /** Writes so many bytes at a time, each in a packet of its own: 1 splits inside every character. */
  bytesPerWrite?: number
  /** Repeats the words until the reader goes away, as fast as it reads. */
  endless?: true
  /** Sends the words as `reasoning_content` first. */
  reasoning?: true
  /** Lines sent before the stream, such as `': hello\n\n'`. */
  preamble?: string
}

/** One request that the upstream received. */
export interface UpstreamCall {
  readonly path: string
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** Parsed JSON; undefined for GET. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads any path of it
  readonly body: any
  /** True once the client closed the connection before the answer was complete. */
  aborted: boolean
  /** Bytes of the answer written so far. */
  bytesWritten: number
  /** Resolves when the connection is done with this answer, however it ended. */
  readonly closed: Promise<void>
}

/**
 * A real HTTP server that speaks the OpenAI chat-completions stream, and misbehaves as its script says.
 *
 *     await using upstream = await startUpstream({ words: ['Hi', ' there'] })
 *     ... CHAT_UPSTREAM_URL: upstream.url ...
 *     upstream.script = { stallAfter: 1 }      // from the next request on
 *     upstream.completions[0].body.messages    // what it was asked
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

  /** Resolves with the nth completion request (from 1), now or when it comes. */
  async completion(n: number): Promise<UpstreamCall> {
    for (;;) {
      const call = this.completions[n - 1]
      if (call) return call
      await new Promise<void>((resolve) => this.#watchers.push(resolve))
    }
  }

  /** Lets every stalled answer go on. */
  release(): void {
    for (const goOn of this.#stalled.splice(0)) goOn()
  }

  async listen(port = 0): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** Stops at once; open connections are cut. */
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
    if (call.path === '/v1/models') {
      if (script.modelsStall) await this.#stall(response)
      answerModels(script, response)
      return
    }
    if (call.path !== '/v1/chat/completions') {
      answerJson(response, 404, {})
      return
    }
    if (script.redirectTo !== undefined) {
      response.writeHead(307, { Location: script.redirectTo }).end()
      return
    }
    const status = script.refusals?.[this.#refused] ?? script.status ?? 200
    if (script.refusals && this.#refused < script.refusals.length) this.#refused++
    if (status !== 200) {
      if (script.retryAfter !== undefined) response.setHeader('Retry-After', script.retryAfter)
      answerJson(response, status, { error: { message: 'refused' } })
      return
    }
    if (script.refusesLate) await this.#stall(response)
    const refusal = script.refuses?.(call.body)
    if (refusal) {
      if (script.retryAfter !== undefined) response.setHeader('Retry-After', script.retryAfter)
      answerJson(response, refusal.status, refusal.body)
      return
    }
    if (this.#reset < (script.resets ?? 0)) {
      this.#reset++
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
      drop(response)
      return
    }
    if (script.instead) {
      answerInstead(script.instead, response)
      return
    }
    await this.#stream(script, call, response)
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
    for (const tell of this.#watchers.splice(0)) tell()
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

/** Cuts the line once the client had the time to read what was sent: a reset takes unread bytes with it. */
function drop(response: ServerResponse): void {
  setTimeout(() => response.destroy(), response.headersSent ? DROP_DELAY_MS : 0)
}

/** What the stream does, in order: text to write, or a misbehaviour. */
function* steps(script: UpstreamScript, model: string): Generator<string> {
  const words = script.words ?? ['Hello', ' from', ' upstream', '.']
  const usage = {
    prompt_tokens: 11,
    completion_tokens: words.length,
    total_tokens: 11 + words.length,
  }
  yield* trouble(script, 0)
  if (script.preamble) yield script.preamble
  while (script.preambleForEver !== undefined) yield script.preambleForEver
  yield chunk(model, { role: 'assistant', content: '' })
  if (script.reasoning) for (const word of words) yield chunk(model, { reasoning_content: word })
  do {
    for (const [index, word] of words.entries()) {
      yield chunk(model, { content: word })
      yield* trouble(script, index + 1)
    }
  } while (script.endless)
  const last = script.usage === 'in-last-choice' ? { usage } : {}
  if (!script.withoutFinish) yield chunk(model, {}, 'stop', last)
  if ((script.usage ?? 'final') === 'final') yield event({ model, choices: [], usage })
  if (!script.withoutDone) yield 'data: [DONE]\n\n'
  if (script.staysOpen) yield 'stall'
}

function* trouble(script: UpstreamScript, words: number): Generator<string> {
  if (script.stallAfter === words) yield 'stall'
  if (script.dropAfter === words) yield 'drop'
  if (script.garbageAfter === words) yield 'data: {"choices": [{"delta"\n\n'
  if (script.errorAfter === words) yield event({ error: { message: 'overloaded', code: 500 } })
}

function chunk(model: string, delta: object, finish: string | null = null, more: object = {}) {
  const choices = [{ index: 0, delta, finish_reason: finish }]
  return event({ id: 'chatcmpl-1', object: 'chat.completion.chunk', model, choices, ...more })
}

function event(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`
}

async function writeSplit(
  text: string,
  bytesPerWrite: number | undefined,
  call: UpstreamCall,
  response: ServerResponse,
): Promise<void> {
  if (!response.headersSent) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    response.socket?.setNoDelay(true)
  }
  const bytes = Buffer.from(text)
  const size = bytesPerWrite ?? bytes.length
  for (let start = 0; start < bytes.length && !response.destroyed; start += size) {
    const piece = bytes.subarray(start, start + size)
    call.bytesWritten += piece.length
    const buffered = !response.write(piece)
    // Pieces written in one turn would share a packet.
    if (bytesPerWrite !== undefined) await new Promise((resolve) => setImmediate(resolve))
    if (buffered) await Promise.race([once(response, 'drain'), call.closed])
  }
}

function answerModels(script: UpstreamScript, response: ServerResponse): void {
  const data = (script.models ?? ['test-model']).map((id) => ({ id, object: 'model' }))
  answerJson(response, script.modelsStatus ?? 200, { object: 'list', data })
}

function answerInstead(
  { contentType, body, headers }: NonNullable<UpstreamScript['instead']>,
  response: ServerResponse,
): void {
  // A length that lies is this server's wish, and not a mistake of it.
  response.strictContentLength = false
  const { socket } = response
  response.writeHead(200, { 'Content-Type': contentType, ...headers }).end(body, () => {
    if (headers?.['Content-Length'] !== undefined) socket?.end()
  })
}

function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}
