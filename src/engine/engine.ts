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

/** What an engine is asked. */
export interface Turn {
  readonly conversationId: string
  readonly mode: EngineMode
  /** The conversation so far, oldest first; the last message is the user's new one. */
  readonly messages: readonly TurnMessage[]
  /** How many earlier messages of the conversation are left out; default none. */
  readonly omittedMessages?: number
  /** `whole` when the caller does not see the text arrive: then pacing it is of no use. */
  readonly delivery?: 'stream' | 'whole'
}

export interface TurnMessage {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

/** The tokens of one answer. An unknown number is left out, never 0. */
export interface TokenUsage {
  readonly inputTokens?: number
  readonly outputTokens?: number
  readonly totalTokens?: number
  readonly source: 'upstream' | 'estimated'
}

/** Why a complete answer ended. */
export type FinishReason = 'stop' | 'length' | 'contentFilter'

export type EnginePart = { readonly type: 'text'; readonly text: string } | EngineEnd

export interface EngineEnd {
  readonly type: 'end'
  readonly model: string
  readonly usage?: TokenUsage
  /** Left out when unknown. */
  readonly finishReason?: FinishReason
  /** How many of the turn's oldest messages the engine did not send; left out when it sent all. */
  readonly omittedMessages?: number
  /** Something odd about the answer, for the operator's log; as safe as the message of a failure. */
  readonly remark?: string
}

/** Every way in which an engine fails. */
export const ENGINE_FAILURE_CODES = [
  'context-too-long',
  'upstream-failed',
  'upstream-refused',
  'upstream-timeout',
] as const

export type EngineFailureCode = (typeof ENGINE_FAILURE_CODES)[number]

export interface EngineFailureFacts {
  /** The request is at fault and not the upstream: the failure says nothing about the next call. */
  readonly isOfRequest?: boolean
  /** A retry may succeed. */
  readonly isPassing?: boolean
  /** After how many seconds a retry is worthwhile. */
  readonly retryAfterSeconds?: number
  /** A sentence that is safe to show to the caller. */
  readonly detail?: string
}

/** An engine failed. The message is safe to log: it holds no key, no address and no text of the user. */
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

/** A source of answers. */
export interface Engine {
  readonly kind: 'builtin' | 'openai-compatible'
  /** The model's name as far as it is known; the `end` part of an answer names the model that wrote it. */
  readonly model: string
  /** True when answers come from rules, not from a language model. */
  readonly ruleBased: boolean
  /**
   * Yields zero or more text parts, then exactly one end. When `signal` aborts, stops within 1 s,
   * closes what it opened and throws the signal's reason.
   * @throws EngineFailure
   */
  answer(turn: Turn, signal: AbortSignal): AsyncIterable<EnginePart>
  /** Whether an answer can be expected now. Takes 2 s at most; the result is cached for 5 s. */
  check(): Promise<'up' | 'down'>
}
