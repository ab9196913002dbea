import type { Readable } from 'node:stream'
import { Agent, type Dispatcher } from 'undici'
import type { Clock } from '../../ports/clock/clock.ts'
import { ErrorInAnswer, failed } from './completion.ts'
import { CompletionReader } from './completion-reader.ts'
import { decoded } from './content-encoding.ts'
import type { EngineFailure } from '../engine.ts'
import { mayRefuse } from './refusal.ts'
import { refusalIn } from './refusal-in-answer.ts'
import { Refused } from './refused.ts'
import { connectionFailure, statusFailure } from './upstream-failures.ts'

/** Tries of one call, the first included; only before the first chunk. */
const TRIES = 3
const FIRST_BACKOFF_MS = 150
/** An upstream that wants a longer pause is not asked again: its caller can wait better than we can. */
const LONGEST_PAUSE_MS = 5_000
const CONNECT_TIMEOUT_MS = 10_000
/** The longest answer of the contract in events of a single character each, three times over. */
const MAX_BODY_BYTES = 64 * 1024 * 1024
const MAX_MODELS_BODY_LENGTH = 4 * 1024 * 1024
/** As much of a refusal as is read, in UTF-16 code units. */
const MAX_REFUSAL_LENGTH = 64 * 1024

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

type Answer = Dispatcher.ResponseData
type Question = { method: 'GET' | 'POST'; accept: string; body?: string }

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
      const answer = await this.#requireOk('/chat/completions', signal, {
        method: 'POST',
        accept: 'text/event-stream',
        body: JSON.stringify(body),
      })
      const mediaType = headerOf(answer, 'content-type')
      return CompletionReader.begin(bodyOf(answer), mediaType).catch((error: unknown) => {
        const refusal = error instanceof ErrorInAnswer ? refusalIn(error.said) : undefined
        throw refusal ? new Refused(refusal) : error
      })
    })
  }

  /** The body of `GET /models`. */
  async listModels(signal: AbortSignal): Promise<string> {
    return this.#retrying(signal, async () => {
      const question = { method: 'GET', accept: 'application/json' } as const
      const answer = await this.#requireOk('/models', signal, question)
      const body = await readBounded(answer, MAX_MODELS_BODY_LENGTH)
      if (body.length > MAX_MODELS_BODY_LENGTH)
        throw failed('the list of models is larger than 4 MB')
      return body
    })
  }

  /** The status of `GET /models`, tried once. */
  async probe(signal: AbortSignal): Promise<number> {
    const answer = await this.#ask('/models', signal, { method: 'GET', accept: '*/*' })
    discard(answer)
    return answer.statusCode
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

  async #requireOk(path: string, signal: AbortSignal, question: Question): Promise<Answer> {
    const answer = await this.#ask(path, signal, question)
    if (answer.statusCode === 200) return answer
    const body = mayRefuse(answer.statusCode) ? await readRefusalOf(answer, signal) : ''
    discard(answer)
    throw statusFailure(answer, body, this.#world.clock.now())
  }

  /**
   * Not by fetch, which costs 20 kB more for as long as an answer is open. A redirect is not followed:
   * it would take the conversation to a server that nobody configured.
   */
  #ask(path: string, signal: AbortSignal, { method, accept, body }: Question): Promise<Answer> {
    const { origin, pathname, search } = new URL(this.#options.url)
    const { key } = this.#options
    const headers = {
      Accept: accept,
      'User-Agent': 'parley',
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...(key !== undefined && { Authorization: `Bearer ${key}` }),
    }
    const at = { origin, path: pathname.replace(/\/+$/, '') + path + search }
    return this.#agent.request({ ...at, method, headers, signal, ...(body && { body }) })
  }
}

/** The text of a body, or a little more than `most` code units of one that is longer. */
async function readBounded(answer: Answer, most: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of bodyOf(answer)) {
    text += decoder.decode(bytes as Uint8Array, { stream: true })
    if (text.length > most) break
  }
  return text
}

/** A refusal that breaks off is one all the same, by its status. */
async function readRefusalOf(answer: Answer, signal: AbortSignal): Promise<string> {
  try {
    return await readBounded(answer, MAX_REFUSAL_LENGTH)
  } catch {
    signal.throwIfAborted()
    return ''
  }
}

function bodyOf(answer: Answer): Readable {
  return decoded(answer.body, headerOf(answer, 'content-encoding'))
}

function headerOf({ headers }: Answer, name: string): string {
  return String(headers[name] ?? '')
}

/** The answer is already decided: its body is closed with its socket, and that is no mistake. */
function discard({ body }: Answer): void {
  body.on('error', () => undefined).destroy()
}
