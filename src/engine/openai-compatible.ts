import type { Clock } from '../ports/clock.ts'
import { Circuit } from './circuit.ts'
import { type CompletionChunk, failed, readFirstModel, shownModel } from './completion.ts'
import type { CompletionReader } from './completion-reader.ts'
import { completionRequest } from './completion-request.ts'
import { Deadline } from './deadline.ts'
import { EngineFailure } from './engine.ts'
import type { Engine, EnginePart, TokenUsage, Turn } from './engine.ts'
import { estimateUsage } from './tokens.ts'
import { Upstream } from './upstream.ts'
import { WholeText } from './whole-text.ts'

const CHECK_TIMEOUT_MS = 2_000
const CHECK_CACHED_MS = 5_000
/** After the finish reason only usage and [DONE] are missing; some servers send neither and stay open. */
const AFTERWORD_MS = 1_000
/** All of an answer, however steadily it comes: a model that thinks for ever is given up. */
const LONGEST_ANSWER_MS = 30 * 60_000

export interface OpenAiCompatibleOptions {
  /** The base URL to which `/chat/completions` and `/models` are added. */
  readonly url: string
  readonly key?: string
  /** Without it, the first model that the upstream lists. */
  readonly model?: string
  /** The longest time without a chunk, before the first and between two. */
  readonly idleTimeoutMs: number
  /** Waits between retries, and tells how old a check is and how long a circuit is open. */
  readonly clock: Pick<Clock, 'wait' | 'now' | 'monotonicMs'>
  /** The jitter of retries, from 0 to below 1. */
  readonly random: () => number
  /** Default 10 s. */
  readonly connectTimeoutMs?: number
}

/** A language model behind the OpenAI chat-completions API, as most hosted and local servers speak it. */
export class OpenAiCompatibleEngine implements Engine {
  readonly kind = 'openai-compatible'
  readonly ruleBased = false
  readonly #options: OpenAiCompatibleOptions
  readonly #upstream: Upstream
  readonly #circuit: Circuit
  #model: string | undefined
  #checked: { readonly atMs: number; readonly result: Promise<'up' | 'down'> } | undefined

  constructor(options: OpenAiCompatibleOptions) {
    this.#options = options
    this.#model = options.model
    const { clock, random } = options
    this.#upstream = new Upstream(options, { clock, random })
    this.#circuit = new Circuit(clock)
  }

  get model(): string {
    return this.#model === undefined ? 'unknown' : shownModel(this.#model)
  }

  async *answer(turn: Turn, signal: AbortSignal): AsyncGenerator<EnginePart> {
    const { clock, idleTimeoutMs } = this.#options
    const deadline = new Deadline(clock, idleTimeoutMs, signal)
    try {
      const open = () => this.#open(turn, deadline.signal)
      const { chunks, model } = await deadline.within(() => this.#circuit.run(open))
      yield* readAnswer({ chunks, deadline, clock, turn, model })
    } finally {
      deadline.end()
    }
  }

  async check(): Promise<'up' | 'down'> {
    if (this.#circuit.isBroken) return 'down'
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
    const model = this.#model ?? readFirstModel(await this.#upstream.listModels(signal))
    this.#model = model
    const chunks = await this.#upstream.openStream(completionRequest(turn, model), signal)
    return { model, chunks }
  }
}

interface Answering {
  readonly chunks: CompletionReader
  readonly deadline: Deadline
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly turn: Turn
  readonly model: string
}

interface Heard {
  text: string
  model: string
  usage: TokenUsage | undefined
  finished: boolean
}

async function* readAnswer(answering: Answering): AsyncGenerator<EnginePart> {
  const { chunks, model, turn } = answering
  const heard: Heard = { text: '', model: shownModel(model), usage: undefined, finished: false }
  const whole = new WholeText()
  try {
    for await (const chunk of inTime(answering, heard)) {
      const text = whole.push(hear(heard, chunk))
      heard.text += text
      if (text !== '') yield { type: 'text', text }
    }
  } catch (error) {
    // The answer is whole; a server that then breaks or stays open only keeps its usage to itself.
    if (!(heard.finished && error instanceof EngineFailure)) throw error
  } finally {
    await chunks.close()
  }
  if (!heard.finished) throw failed('the stream ended before the answer did')
  const rest = whole.end()
  if (rest !== '') yield { type: 'text', text: rest }
  yield endOf(heard, turn)
}

/** The chunks, each within the time without one and all within the time of an answer. */
async function* inTime(answering: Answering, heard: Heard): AsyncGenerator<CompletionChunk> {
  const { chunks, deadline, clock } = answering
  const endMs = clock.monotonicMs() + LONGEST_ANSWER_MS
  for (;;) {
    const chunk = await deadline.within(() => chunks.next())
    if (!chunk) return
    if (clock.monotonicMs() > endMs) throw endless()
    yield chunk
    if (heard.finished) deadline.shortenTo(AFTERWORD_MS)
  }
}

function endless(): EngineFailure {
  return new EngineFailure('upstream-timeout', `an answer took ${LONGEST_ANSWER_MS / 60_000} min`)
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
