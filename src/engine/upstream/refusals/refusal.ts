import { readRefusalBody, type RefusalBody } from './refusal-body.ts'

/**
 * Why an upstream refuses a call: the conversation is too long, its content is not allowed, the
 * account has no credit, the model does not exist, the key is not accepted, or the request is at
 * fault otherwise.
 */
export type RefusalKind = 'too-long' | 'content' | 'credit' | 'unknown-model' | 'access' | 'request'

export interface Refusal {
  readonly status: number
  readonly kind: RefusalKind
  readonly body: RefusalBody
}

type Signs = { readonly kind: RefusalKind; readonly codes: RegExp; readonly text: RegExp }

/** The vendors' own codes and phrases, the most reliable first. */
const SIGNS: readonly Signs[] = [
  {
    kind: 'too-long',
    codes:
      /context_?(?:length|window)_?exceeded|exceed_context_size|max_prompt_tokens|string_above_max|request_too_large|prompt_too_long/i,
    text: new RegExp(
      [
        'context (?:length|size|window|limit)[^]*(?:exceed|reduce|short|long|large|request|only|greater)',
        '(?:exceed|longer|greater|overflow)[^]{0,60}context (?:length|size|window|limit)',
        '(?:prompt|input|request|conversation)[^.]{0,40} too (?:long|large)(?! for (?:the )?field)',
        'too many (?:input |prompt )?tokens|maximum prompt length|model token limit',
        '(?:input|prompt) (?:token count|length|tokens)[^.]{0,60}exceed',
        // The prompt leaves no room, so that the computed length is negative.
        'max_tokens must be at least 1, got -\\d',
        'prompt exceeds|prompt contains [\\d,]+ tokens|range of input length',
        'inputs` tokens \\+|keep the first \\d+ tokens|tokens to keep from the initial prompt',
      ].join('|'),
      'i',
    ),
  },
  {
    kind: 'content',
    codes:
      /content_?filter|content_policy|ResponsibleAIPolicyViolation|invalid_prompt|data_inspection|moderation|prohibited_content/i,
    text: /content (?:management )?policy|content (?:filter|exists risk|moderation)|\bflagged\b|usage polic|safety (?:system|polic)|inappropriate content/i,
  },
  {
    kind: 'credit',
    codes: /insufficient_(?:user_)?(?:quota|balance|credits)|exceeded_current_quota|^billing_/i,
    text: /insufficient (?:\w+ )?(?:balance|credits?|funds|quota)|credit balance|out of credits|billing hard limit|余额不足/i,
  },
  {
    kind: 'unknown-model',
    codes: /model_?not_?(?:found|exist|available)|DeploymentNotFound|^invalid_model/i,
    text: /\bmodel\b[^\n]{0,200}(?:not found|not exist|not a valid model)|(?:unknown|invalid|no such) model|not a valid model|no endpoints found/i,
  },
  {
    kind: 'access',
    codes: /invalid_api_key|api_key_invalid|authentication_error|permission_denied/i,
    text: /(?:api[ _-]?key|token|credentials?)[^.]{0,30} (?:not valid|invalid|incorrect|missing|expired)|(?:invalid|incorrect|missing|no) (?:api[ _-]?key|credentials?)/i,
  },
]

/** The meaning of a status whose body gives no reason. */
const KIND_OF_STATUS: Readonly<Record<number, RefusalKind>> = {
  401: 'access',
  402: 'credit',
  403: 'access',
  404: 'unknown-model',
  407: 'access',
  413: 'too-long',
  451: 'content',
}

/** Transient: a time-out, a conflict, a connection or a handshake, too many requests. */
const TRANSIENT = new Set([408, 409, 421, 423, 425, 429])
/** With 429 only these are refusals; everything else may succeed later. */
const FINAL_WITH_429: readonly RefusalKind[] = ['credit', 'too-long']
/** Delta with 500 by servers whose template or whose slot cannot take the request. */
const NOT_SUPPORTED = /not supported|unsupported|does not support|roles must alternate/i

/** Whether the body has to be read to know if a response with this status is a refusal. */
export function mayRefuse(status: number): boolean {
  return [429, 500].includes(status) || (status >= 400 && status < 500 && !TRANSIENT.has(status))
}

/** Reads a refusal; undefined when the same call may succeed later. */
export function readRefusal(status: number, body: string): Refusal | undefined {
  if (!mayRefuse(status)) return undefined
  const details = readRefusalBody(body)
  const kind = kindOf(status, details)
  return isFinal(status, kind, details) ? { status, kind, body: details } : undefined
}

function isFinal(status: number, kind: RefusalKind, { text }: RefusalBody): boolean {
  if (status === 429) return FINAL_WITH_429.includes(kind)
  if (status !== 500) return true
  return kind === 'too-long' || (kind === 'request' && NOT_SUPPORTED.test(text))
}

function kindOf(status: number, { codes, text }: RefusalBody): RefusalKind {
  const byCode = SIGNS.find((signs) => codes.some((code) => signs.codes.test(code)))
  const found = byCode ?? SIGNS.find((signs) => signs.text.test(text))
  return found?.kind ?? KIND_OF_STATUS[status] ?? 'request'
}
