/** What an engine needs of the mode that a caller chose. */
export interface EngineMode {
  readonly id: string
  /** Sent before the conversation; never shown to a caller. */
  readonly systemPrompt: string
  /** As a rule one of the two: whole families of models refuse both together. */
  readonly temperature?: number
  readonly topP?: number
  readonly maxOutputTokens: number
}

/** What an engine is asked: the conversation so far, oldest first; the last message is the user's new one. */
export interface Turn {
  readonly conversationId: string
  readonly mode: EngineMode
  readonly messages: readonly TurnMessage[]
  /** How many messages of the conversation come before these, and are left out; default none. */
  readonly omittedMessages?: number
  /** `whole` when nobody sees the text arrive: then there is no use in pacing it. */
  readonly delivery?: 'stream' | 'whole'
}

export interface TurnMessage {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

/** Tokens of one answer. What is not known is omitted, never 0. */
export interface TokenUsage {
  readonly inputTokens?: number
  readonly outputTokens?: number
  readonly totalTokens?: number
  readonly source: 'upstream' | 'estimated'
}

/** Why an answer ended that is complete. */
export type FinishReason = 'stop' | 'length' | 'contentFilter'

export type EnginePart = { readonly type: 'text'; readonly text: string } | EngineEnd

export interface EngineEnd {
  readonly type: 'end'
  readonly model: string
  readonly usage?: TokenUsage
  /** Left out when nothing is known of it. */
  readonly finishReason?: FinishReason
  /** How many of the turn's messages, the oldest, the engine left out; left out when it needed none. */
  readonly omittedMessages?: number
  /** For the operator's log; as safe as the message of a failure. */
  readonly remark?: string
}

/** All the ways in which an engine fails. */
export const ENGINE_FAILURE_CODES = [
  'context-too-long',
  'upstream-failed',
  'upstream-refused',
  'upstream-timeout',
] as const

export type EngineFailureCode = (typeof ENGINE_FAILURE_CODES)[number]

export interface EngineFailureFacts {
  /** What was asked is at fault and not who was asked: it says nothing about the next call. */
  readonly isOfRequest?: boolean
  /** The next try may succeed. */
  readonly isPassing?: boolean
  /** When a call is worth repeating, in seconds. */
  readonly retryAfterSeconds?: number
  /** A sentence for the caller, who may see all of it. */
  readonly detail?: string
}

/** An engine could not answer. The message is safe to log: it holds no key, no address and no text of the user. */
export class EngineFailure extends Error {
  override readonly name = 'EngineFailure'
  readonly code: EngineFailureCode
  readonly isOfRequest: boolean
  readonly isPassing: boolean
  readonly retryAfterSeconds: number | undefined
  readonly detail: string | undefined

  constructor(code: EngineFailureCode, message: string, facts: EngineFailureFacts = {}) {
    super(message)
    this.code = code
    this.isOfRequest = facts.isOfRequest ?? false
    this.isPassing = facts.isPassing ?? false
    this.retryAfterSeconds = facts.retryAfterSeconds
    this.detail = facts.detail
  }
}

/** What answers. */
export interface Engine {
  readonly kind: 'builtin' | 'openai-compatible'
  /** The model's name as far as it is known; an answer's `end` part names the one that wrote it. */
  readonly model: string
  /** True when answers come from written rules, not from a language model. */
  readonly ruleBased: boolean
  /**
   * Yields zero or more text parts, then exactly one end. Throws EngineFailure when it cannot.
   * When `signal` aborts, it stops within 1 s, closes what it opened and throws the signal's reason.
   */
  answer(turn: Turn, signal: AbortSignal): AsyncIterable<EnginePart>
  /** Whether an answer can be expected now; costs at most 2 s and is cached for 5 s. */
  check(): Promise<'up' | 'down'>
}
