import { failed } from './completion.ts'
import { EventSourceParser, EventTooLarge } from './event-source.ts'
import { EngineFailure } from './engine.ts'
import type { Deadline } from './deadline.ts'
import type { Wait } from './wait.ts'

/** Tries of one call, the first included; only before the first chunk. */
const TRIES = 3
const FIRST_BACKOFF_MS = 150
const RETRYABLE_STATUSES = new Set([429, 502, 503])
const MAX_MODELS_BODY_BYTES = 4 * 1024 * 1024

export interface UpstreamOptions {
  /** The base URL, with or without a closing slash; a query is kept. */
  readonly url: string
  readonly key?: string
}

export interface UpstreamWorld {
  readonly wait: Wait
  /** From 0 to below 1, for the jitter of retries. */
  readonly random: () => number
}

/** HTTP to an OpenAI-compatible server. Everything it throws is an EngineFailure or the signal's reason. */
export class Upstream {
  readonly #options: UpstreamOptions
  readonly #world: UpstreamWorld

  constructor(options: UpstreamOptions, world: UpstreamWorld) {
    this.#options = options
    this.#world = world
  }

  /** Opens the stream of a completion. */
  async openStream(body: unknown, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#fetchWithRetry('/chat/completions', signal, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
      body: JSON.stringify(body),
    })
    const mediaType = response.headers.get('Content-Type') ?? ''
    if (!response.body || !/^text\/event-stream\b/i.test(mediaType)) {
      await discard(response)
      throw failed('the upstream did not answer with an event stream')
    }
    return response.body
  }

  /** The body of `GET /models`. */
  async listModels(signal: AbortSignal): Promise<string> {
    const response = await this.#fetchWithRetry('/models', signal, {
      headers: { Accept: 'application/json' },
    })
    return readBounded(response, signal)
  }

  /** Whether `GET /models` answers 200, tried once. */
  async isUp(signal: AbortSignal): Promise<boolean> {
    const response = await this.#fetch('/models', signal, {})
    await discard(response)
    return response.status === 200
  }

  async #fetchWithRetry(path: string, signal: AbortSignal, init: RequestInit): Promise<Response> {
    for (let tryNumber = 1; ; tryNumber++) {
      const outcome = await this.#try(path, signal, init)
      if (outcome instanceof Response) return outcome
      if (!outcome.retryable || tryNumber === TRIES) throw outcome.failure
      const jitter = 0.5 + this.#world.random()
      await this.#world.wait(FIRST_BACKOFF_MS * 2 ** (tryNumber - 1) * jitter, signal)
    }
  }

  async #try(path: string, signal: AbortSignal, init: RequestInit): Promise<Response | Refusal> {
    let response
    try {
      response = await this.#fetch(path, signal, init)
    } catch (error) {
      signal.throwIfAborted()
      return { failure: asFailure(error), retryable: true }
    }
    if (response.status === 200) return response
    await discard(response)
    return {
      failure: failed(`the upstream answered ${response.status}`),
      retryable: RETRYABLE_STATUSES.has(response.status),
    }
  }

  #fetch(path: string, signal: AbortSignal, init: RequestInit): Promise<Response> {
    const url = new URL(this.#options.url)
    url.pathname = url.pathname.replace(/\/+$/, '') + path
    const headers = new Headers(init.headers)
    if (this.#options.key !== undefined) headers.set('Authorization', `Bearer ${this.#options.key}`)
    // A redirect would take the conversation to a server that nobody configured.
    return fetch(url, { ...init, headers, signal, redirect: 'manual' })
  }
}

interface Refusal {
  readonly failure: EngineFailure
  readonly retryable: boolean
}

/** The data of the stream's events as they come, reading only when asked; each wait is held against the deadline. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  deadline: Deadline,
): AsyncGenerator<string> {
  const reader = body.getReader()
  const parser = new EventSourceParser()
  // One clock until an event is complete: comments and half events are no sign of an answer.
  const next = async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return undefined
      const events = parser.push(value)
      if (events.length > 0) return events
    }
  }
  try {
    for (let events = await deadline.within(next); events; events = await deadline.within(next)) {
      yield* events
    }
  } catch (error) {
    deadline.signal.throwIfAborted()
    if (error instanceof EventTooLarge) throw failed('the upstream sent an event beyond 1 MB')
    throw asFailure(error)
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

/** undici has its own limits on silence (300 s); they are timeouts too. Its texts may hold addresses: only its codes are kept. */
function asFailure(error: unknown): EngineFailure {
  if (error instanceof EngineFailure) return error
  const cause = error instanceof Error ? (error.cause ?? error) : error
  const code = (cause as { code?: unknown } | undefined)?.code
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new EngineFailure('upstream-timeout', `the upstream was silent (${code})`)
  }
  return failed(`the connection failed (${typeof code === 'string' ? code : 'unknown reason'})`)
}

async function readBounded(response: Response, signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  try {
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes as Uint8Array, { stream: true })
      if (text.length > MAX_MODELS_BODY_BYTES) throw failed('the list of models is beyond 4 MB')
    }
  } catch (error) {
    signal.throwIfAborted()
    throw asFailure(error)
  }
  return text
}

async function discard(response: Response): Promise<void> {
  // The answer is already decided; a body that cannot be closed is closed with its socket.
  await response.body?.cancel().catch(() => undefined)
}
