import type { Clock } from '../ports/clock.ts'
import { readChunk, readFirstModel, failed } from './completion.ts'
import type { CompletionChunk } from './completion.ts'
import { Deadline } from './deadline.ts'
import { EngineFailure } from './engine.ts'
import type { Engine, EnginePart, TokenUsage, Turn } from './engine.ts'
import { estimateUsage } from './tokens.ts'
import { readEvents, Upstream } from './upstream.ts'
import { WholeText } from './whole-text.ts'

const CHECK_TIMEOUT_MS = 2_000
const CHECK_CACHED_MS = 5_000
/** After the finish reason only usage and [DONE] are missing; some servers send neither and stay open. */
const AFTERWORD_MS = 1_000

export interface OpenAiCompatibleOptions {
  /** The base URL to which `/chat/completions` and `/models` are added. */
  readonly url: string
  readonly key?: string
  /** Without it, the first model that the upstream lists. */
  readonly model?: string
  /** The longest time without a chunk, before the first and between two. */
  readonly idleTimeoutMs: number
  /** Waits between retries, and tells how old a check is. */
  readonly clock: Pick<Clock, 'wait' | 'monotonicMs'>
  /** The jitter of retries, from 0 to below 1. */
  readonly random: () => number
}

/** A language model behind the OpenAI chat-completions API, as most hosted and local servers speak it. */
export class OpenAiCompatibleEngine implements Engine {
  readonly kind = 'openai-compatible'
  readonly ruleBased = false
  readonly #options: OpenAiCompatibleOptions
  readonly #upstream: Upstream
  #model: string | undefined
  #checked: { readonly atMs: number; readonly result: Promise<'up' | 'down'> } | undefined

  constructor(options: OpenAiCompatibleOptions) {
    this.#options = options
    this.#model = options.model
    const { clock, random } = options
    this.#upstream = new Upstream(options, { wait: clock.wait, random })
  }

  get model(): string {
    return this.#model ?? 'unknown'
  }

  async *answer(turn: Turn, signal: AbortSignal): AsyncGenerator<EnginePart> {
    const deadline = new Deadline(this.#options.clock, this.#options.idleTimeoutMs, signal)
    try {
      const { body, model } = await deadline.within(() => this.#open(turn, deadline.signal))
      yield* readAnswer(body, deadline, turn, model)
    } finally {
      deadline.end()
    }
  }

  check(): Promise<'up' | 'down'> {
    const nowMs = this.#options.clock.monotonicMs()
    if (!this.#checked || nowMs - this.#checked.atMs >= CHECK_CACHED_MS) {
      this.#checked = { atMs: nowMs, result: this.#checkNow() }
    }
    return this.#checked.result
  }

  async #checkNow(): Promise<'up' | 'down'> {
    const isUp = await this.#upstream
      .isUp(AbortSignal.timeout(CHECK_TIMEOUT_MS))
      // Whatever keeps it from answering, it is down.
      .catch(() => false)
    return isUp ? 'up' : 'down'
  }

  async #open(turn: Turn, signal: AbortSignal) {
    this.#model ??= readFirstModel(await this.#upstream.listModels(signal))
    const model = this.#model
    return { model, body: await this.#upstream.openStream(requestBody(turn, model), signal) }
  }
}

function requestBody({ mode, messages }: Turn, model: string) {
  const system = mode.systemPrompt ? [{ role: 'system', content: mode.systemPrompt }] : []
  return {
    model,
    messages: [...system, ...messages.map(({ role, content }) => ({ role, content }))],
    temperature: mode.temperature,
    top_p: mode.topP,
    max_tokens: mode.maxOutputTokens,
    stream: true,
    stream_options: { include_usage: true },
  }
}

interface Heard {
  text: string
  model: string
  usage: TokenUsage | undefined
  finished: boolean
}

async function* readAnswer(
  body: ReadableStream<Uint8Array>,
  deadline: Deadline,
  turn: Turn,
  model: string,
): AsyncGenerator<EnginePart> {
  const heard: Heard = { text: '', model, usage: undefined, finished: false }
  const whole = new WholeText()
  try {
    for await (const data of readEvents(body, deadline)) {
      if (data === '[DONE]') {
        heard.finished = true
        break
      }
      const text = whole.push(hear(heard, readChunk(data)))
      heard.text += text
      if (heard.finished) deadline.shortenTo(AFTERWORD_MS)
      if (text !== '') yield { type: 'text', text }
    }
  } catch (error) {
    // The answer is whole; a server that then breaks or stays open only keeps its usage to itself.
    if (!(heard.finished && error instanceof EngineFailure)) throw error
  }
  if (!heard.finished) throw failed('the stream ended before the answer did')
  const rest = whole.end()
  if (rest !== '') yield { type: 'text', text: rest }
  yield endOf(heard, turn)
}

/** Remembers what a chunk says and gives its text. */
function hear(heard: Heard, chunk: CompletionChunk): string {
  if (chunk.model !== undefined) heard.model = chunk.model
  if (chunk.usage) heard.usage = chunk.usage
  if (chunk.finished) heard.finished = true
  return chunk.text ?? ''
}

function endOf({ text, model, usage }: Heard, turn: Turn): EnginePart {
  return {
    type: 'end',
    model,
    usage: usage ?? estimateUsage(turn, turn.mode.systemPrompt, text),
  }
}
