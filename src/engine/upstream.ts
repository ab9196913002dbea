import type { ReadableStream } from 'node:stream/web'
import { Agent, fetch, Headers, type RequestInit, type Response } from 'undici'
import type { Clock } from '../ports/clock.ts'
import { failed } from './completion.ts'
import { CompletionReader } from './completion-reader.ts'
import type { EngineFailure } from './engine.ts'
import { connectionFailure, statusFailure } from './upstream-failures.ts'

/** Tries of one call, the first included; only before the first chunk. */
const TRIES = 3
const FIRST_BACKOFF_MS = 150
/** An upstream that wants a longer pause is not asked again: its caller can wait better than we can. */
const LONGEST_PAUSE_MS = 5_000
const CONNECT_TIMEOUT_MS = 10_000
/** The longest answer of the contract in events of a single character each, three times over. */
const MAX_BODY_BYTES = 64 * 1024 * 1024
const MAX_MODELS_BODY_BYTES = 4 * 1024 * 1024

export interface UpstreamOptions {
  /** The base URL, with or without a closing slash; a query is kept. */
  readonly url: string
  readonly key?: string
  /** From the first packet to the end of the TLS handshake. Default 10 s. */
  readonly connectTimeoutMs?: number
}

export interface UpstreamWorld {
  readonly clock: Pick<Clock, 'wait' | 'now'>
  /** From 0 to below 1, for the jitter of retries. */
  readonly random: () => number
}

/** HTTP to an OpenAI-compatible server. Everything it throws is an EngineFailure or the signal's reason. */
export class Upstream {
  readonly #options: UpstreamOptions
  readonly #world: UpstreamWorld
  readonly #agent: Agent

  constructor(options: UpstreamOptions, world: UpstreamWorld) {
    this.#options = options
    this.#world = world
    this.#agent = new Agent({
      connect: { timeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS },
      // Silence is what the clock of the caller measures.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: MAX_BODY_BYTES,
    })
  }

  /** Opens the stream of a completion, as far as its first chunk. */
  async openStream(body: unknown, signal: AbortSignal): Promise<CompletionReader> {
    return this.#retrying(signal, async () => {
      const response = await this.#fetchOk('/chat/completions', signal, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
        body: JSON.stringify(body),
      })
      const mediaType = response.headers.get('Content-Type') ?? ''
      if (!response.body || !/^text\/event-stream\b/i.test(mediaType)) {
        await discard(response)
        throw failed('the upstream did not answer with an event stream')
      }
      return CompletionReader.begin(response.body as ReadableStream<Uint8Array>)
    })
  }

  /** The body of `GET /models`. */
  async listModels(signal: AbortSignal): Promise<string> {
    return this.#retrying(signal, async () => {
      const init = { headers: { Accept: 'application/json' } }
      return readBounded(await this.#fetchOk('/models', signal, init))
    })
  }

  /** Whether `GET /models` answers 200, tried once. */
  async isUp(signal: AbortSignal): Promise<boolean> {
    const response = await this.#fetch('/models', signal, {})
    await discard(response)
    return response.status === 200
  }

  async #retrying<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let tryNumber = 1; ; tryNumber++) {
      try {
        return await work()
      } catch (error) {
        // What fetch throws for an abort is not always the reason.
        signal.throwIfAborted()
        const failure = connectionFailure(error)
        const pauseMs = this.#pauseAfter(failure, tryNumber)
        if (pauseMs === undefined) throw failure
        await this.#world.clock.wait(pauseMs, signal)
      }
    }
  }

  /** How long until the next try; undefined when there is none. */
  #pauseAfter(failure: EngineFailure, tryNumber: number): number | undefined {
    if (!failure.isPassing || tryNumber === TRIES) return undefined
    const askedMs = (failure.retryAfterSeconds ?? 0) * 1_000
    if (askedMs > LONGEST_PAUSE_MS) return undefined
    const jitter = 0.5 + this.#world.random()
    return Math.max(askedMs, FIRST_BACKOFF_MS * 2 ** (tryNumber - 1) * jitter)
  }

  async #fetchOk(path: string, signal: AbortSignal, init: RequestInit): Promise<Response> {
    const response = await this.#fetch(path, signal, init)
    if (response.status === 200) return response
    await discard(response)
    throw statusFailure(response, this.#world.clock.now())
  }

  #fetch(path: string, signal: AbortSignal, init: RequestInit): Promise<Response> {
    const url = new URL(this.#options.url)
    url.pathname = url.pathname.replace(/\/+$/, '') + path
    const headers = new Headers(init.headers)
    if (this.#options.key !== undefined) headers.set('Authorization', `Bearer ${this.#options.key}`)
    // A redirect would take the conversation to a server that nobody configured.
    return fetch(url, { ...init, headers, signal, redirect: 'manual', dispatcher: this.#agent })
  }
}

async function readBounded(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes as Uint8Array, { stream: true })
    if (text.length > MAX_MODELS_BODY_BYTES) throw failed('the list of models is beyond 4 MB')
  }
  return text
}

async function discard(response: Response): Promise<void> {
  // The answer is already decided; a body that cannot be closed is closed with its socket.
  await response.body?.cancel().catch(() => undefined)
}
