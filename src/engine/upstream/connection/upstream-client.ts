import type { Readable } from 'node:stream'
import { Agent, type Dispatcher } from 'undici'
import type { Clock } from '../../../ports/clock/clock.ts'
import type { EngineFailure } from '../../engine.ts'
import { mayRefuse } from '../refusals/refusal.ts'
import { findRefusal } from '../refusals/refusal-in-answer.ts'
import { UpstreamRefused } from '../refusals/upstream-refused.ts'
import { CompletionReader } from '../response/completion-reader.ts'
import { ReportedError } from '../response/reported-error.ts'
import { decoded } from './content-encoding.ts'
import { connectionFailure, statusFailure, upstreamFailed } from './upstream-failures.ts'

/** Attempts of one call, the first included; a call is retried only before its first chunk. */
const ATTEMPTS = 3
const FIRST_BACKOFF_MS = 150
/** If the upstream asks for a longer pause, the call fails: its caller can wait better. */
const LONGEST_PAUSE_MS = 5_000
const CONNECT_TIMEOUT_MS = 10_000
/** The contract's longest answer in events of a single character each, three times over. */
const MAX_BODY_BYTES = 64 * 1024 * 1024
const MAX_MODELS_BODY_LENGTH = 4 * 1024 * 1024
/** The part of a refusal that is read, in UTF-16 code units. */
const MAX_REFUSAL_LENGTH = 64 * 1024

export interface UpstreamClientOptions {
  /** The base URL, with or without a trailing slash; a query is kept. */
  readonly url: string
  readonly key?: string
  /** From the first packet to the end of the TLS handshake. Default: 10 s. */
  readonly connectTimeoutMs?: number
}

export interface UpstreamClientDeps {
  readonly clock: Pick<Clock, 'wait' | 'now'>
  /** From 0 to below 1, for the jitter of retries. */
  readonly random: () => number
}

type UpstreamResponse = Dispatcher.ResponseData
type UpstreamRequest = { method: 'GET' | 'POST'; accept: string; body?: string }

/**
 * An HTTP client of an OpenAI-compatible server. Everything that it throws is an EngineFailure or
 * the signal's reason.
 */
export class UpstreamClient {
  readonly #options: UpstreamClientOptions
  readonly #deps: UpstreamClientDeps
  readonly #agent: Agent

  constructor(options: UpstreamClientOptions, deps: UpstreamClientDeps) {
    this.#options = options
    this.#deps = deps
    this.#agent = new Agent({
      connect: { timeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS },
      // The caller measures silence by its own clock.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: MAX_BODY_BYTES,
    })
  }

  /** Opens the stream of a completion and reads up to its first chunk. */
  async openStream(body: unknown, signal: AbortSignal): Promise<CompletionReader> {
    return this.#retrying(signal, async () => {
      const response = await this.#requireOk('/chat/completions', signal, {
        method: 'POST',
        accept: 'text/event-stream',
        body: JSON.stringify(body),
      })
      const mediaType = headerOf(response, 'content-type')
      return CompletionReader.open(bodyOf(response), mediaType).catch((error: unknown) => {
        const refusal = error instanceof ReportedError ? findRefusal(error.reported) : undefined
        throw refusal ? new UpstreamRefused(refusal) : error
      })
    })
  }

  /** Returns the body of `GET /models`. */
  async listModels(signal: AbortSignal): Promise<string> {
    return this.#retrying(signal, async () => {
      const request = { method: 'GET', accept: 'application/json' } as const
      const response = await this.#requireOk('/models', signal, request)
      const body = await readBounded(response, MAX_MODELS_BODY_LENGTH)
      if (body.length <= MAX_MODELS_BODY_LENGTH) return body
      throw upstreamFailed('the list of models is larger than 4 MB')
    })
  }

  /** Returns the status of `GET /models`, without a retry. */
  async probe(signal: AbortSignal): Promise<number> {
    const response = await this.#send('/models', signal, { method: 'GET', accept: '*/*' })
    discard(response)
    return response.statusCode
  }

  async #retrying<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        // After an abort the client may fail with another error than the reason.
        signal.throwIfAborted()
        const failure = connectionFailure(error)
        const pauseMs = this.#pauseAfter(failure, attempt)
        if (pauseMs === undefined) throw failure
        await this.#deps.clock.wait(pauseMs, signal)
      }
    }
  }

  /** The pause before the next attempt; undefined when there is none. */
  #pauseAfter(failure: EngineFailure, attempt: number): number | undefined {
    if (!failure.isPassing || attempt === ATTEMPTS) return undefined
    const requestedMs = (failure.retryAfterSeconds ?? 0) * 1_000
    if (requestedMs > LONGEST_PAUSE_MS) return undefined
    const jitter = 0.5 + this.#deps.random()
    return Math.max(requestedMs, FIRST_BACKOFF_MS * 2 ** (attempt - 1) * jitter)
  }

  async #requireOk(
    path: string,
    signal: AbortSignal,
    request: UpstreamRequest,
  ): Promise<UpstreamResponse> {
    const response = await this.#send(path, signal, request)
    if (response.statusCode === 200) return response
    const body = mayRefuse(response.statusCode) ? await readRefusal(response, signal) : ''
    discard(response)
    throw statusFailure(response, body, this.#deps.clock.now())
  }

  /**
   * Not by fetch, which costs 20 kB more for as long as an answer is open. Redirects are not
   * followed: they would send the conversation to a server that the operator has not configured.
   */
  #send(
    path: string,
    signal: AbortSignal,
    { method, accept, body }: UpstreamRequest,
  ): Promise<UpstreamResponse> {
    const { origin, pathname, search } = new URL(this.#options.url)
    const { key } = this.#options
    const headers = {
      Accept: accept,
      'User-Agent': 'parley',
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...(key !== undefined && { Authorization: `Bearer ${key}` }),
    }
    const target = { origin, path: pathname.replace(/\/+$/, '') + path + search }
    return this.#agent.request({ ...target, method, headers, signal, ...(body && { body }) })
  }
}

/** The text of a body; of one longer than `most` code units, only a little more than those. */
async function readBounded(response: UpstreamResponse, most: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of bodyOf(response)) {
    text += decoder.decode(bytes as Uint8Array, { stream: true })
    if (text.length > most) break
  }
  return text
}

/** A body that breaks off leaves the status, which is a refusal as well. */
async function readRefusal(response: UpstreamResponse, signal: AbortSignal): Promise<string> {
  try {
    return await readBounded(response, MAX_REFUSAL_LENGTH)
  } catch {
    signal.throwIfAborted()
    return ''
  }
}

function bodyOf(response: UpstreamResponse): Readable {
  return decoded(response.body, headerOf(response, 'content-encoding'))
}

function headerOf({ headers }: UpstreamResponse, name: string): string {
  return String(headers[name] ?? '')
}

/** Closes a body that is not needed with its socket; the error that this causes is expected. */
function discard({ body }: UpstreamResponse): void {
  body.on('error', () => undefined).destroy()
}
