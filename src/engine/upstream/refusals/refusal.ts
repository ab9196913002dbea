import { readRefusalBody, type RefusalBody } from './refusal-body.ts'

/**
 * Why an upstream refuses a call: the conversation is too long; what is in it is not allowed; the key
 * is wrong; nothing is paid; the model is not there; or something else about the request.
 */
export type RefusalKind = 'too-long' | 'content' | 'credit' | 'unknown-model' | 'access' | 'request'

export interface Refusal {
  readonly status: number
  readonly kind: RefusalKind
  readonly said: RefusalBody
}

type Signs = { readonly kind: RefusalKind; readonly codes: RegExp; readonly text: RegExp }

/** In the words of the vendors, the surest first. */
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
        // No room is left, so that less than nothing is asked for.
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

/** What a status means by itself. */
const KIND_OF_STATUS: Readonly<Record<number, RefusalKind>> = {
  401: 'access',
  402: 'credit',
  403: 'access',
  404: 'unknown-model',
  407: 'access',
  413: 'too-long',
  451: 'content',
}

/** May pass by itself: a time-out, a conflict, a connection or a handshake, too many calls. */
const PASSING = new Set([408, 409, 421, 423, 425, 429])
/** Of these only what will be the same at any other time is a refusal. */
const FINAL_OF_TOO_MANY: readonly RefusalKind[] = ['credit', 'too-long']
/** Delta with 500 by servers whose template or whose slot cannot take the request. */
const NOT_TAKEN = /not supported|unsupported|does not support|roles must alternate/i

/** Whether the body of an answer with this status has to be read to know what it means. */
export function mayRefuse(status: number): boolean {
  return [429, 500].includes(status) || (status >= 400 && status < 500 && !PASSING.has(status))
}

/** The refusal that an answer is; undefined when the same call may succeed at another time. */
export function readRefusal(status: number, body: string): Refusal | undefined {
  if (!mayRefuse(status)) return undefined
  const said = readRefusalBody(body)
  const kind = kindOf(status, said)
  return isFinal(status, kind, said) ? { status, kind, said } : undefined
}

function isFinal(status: number, kind: RefusalKind, { text }: RefusalBody): boolean {
  if (status === 429) return FINAL_OF_TOO_MANY.includes(kind)
  if (status !== 500) return true
  return kind === 'too-long' || (kind === 'request' && NOT_TAKEN.test(text))
}

function kindOf(status: number, { codes, text }: RefusalBody): RefusalKind {
  const byCode = SIGNS.find((signs) => codes.some((code) => signs.codes.test(code)))
  const found = byCode ?? SIGNS.find((signs) => signs.text.test(text))
  return found?.kind ?? KIND_OF_STATUS[status] ?? 'request'
}
