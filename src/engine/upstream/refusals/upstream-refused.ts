import { EngineFailure } from '../../engine.ts'
import type { Refusal, RefusalKind } from './refusal.ts'

/**
 * For the operator's log. The upstream's own words are left out: they may hold the user's, or the
 * key.
 */
const REASONS: Readonly<Record<RefusalKind, string>> = {
  'too-long': 'the conversation is too long for the model',
  content: 'it refuses the content',
  credit: 'the account of CHAT_UPSTREAM_KEY has nothing left to spend',
  'unknown-model': 'it does not know the model, or CHAT_UPSTREAM_URL is not its base URL',
  access: 'it does not accept CHAT_UPSTREAM_KEY, or not for this model',
  request: 'it does not take the request',
}

/** For the caller, who is not told about keys and addresses. */
const DETAILS: Readonly<Record<RefusalKind, string>> = {
  'too-long': 'The message does not fit the model, even without the earlier ones.',
  content: 'The engine behind chat refuses what the conversation contains.',
  credit: 'The engine behind chat has no allowance left. Its operator has to act.',
  'unknown-model': 'The model behind chat is not there. Its operator has to act.',
  access: 'The engine behind chat does not serve this server. Its operator has to act.',
  request: 'The engine behind chat does not take the request. Its operator has to act.',
}

/** An error code of a vendor, which cannot be text that a user wrote. */
const VENDOR_CODE = /^(?:[A-Za-z]{2,24}(?:[_.-][A-Za-z]{2,24}){0,5}|\d{3,6})$/
const MOST_CODES = 3

/** A place in a request of this server: its parameters and the fields of its messages. */
const PARAMETER =
  /^(?:body\.)?(?:model|messages(?:[.[]\d{1,4}\]?)?(?:\.(?:role|content))?|temperature|top_p|max_tokens|max_completion_tokens|stream|stream_options(?:\.include_usage)?)$/

/** The upstream refused the call and would refuse it again. The message is safe to log. */
export class UpstreamRefused extends EngineFailure {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    const { kind } = refusal
    const code = kind === 'too-long' ? 'context-too-long' : 'upstream-refused'
    super(code, reasonOf(refusal), { isOfRequest: true, detail: DETAILS[kind] })
    this.refusal = refusal
  }
}

function reasonOf({ status, kind, body }: Refusal): string {
  const codes = [...new Set(body.codes)].filter((code) => VENDOR_CODE.test(code))
  const places = body.places.filter((place) => PARAMETER.test(place)).map((place) => `at ${place}`)
  const named = [...codes, ...places].slice(0, MOST_CODES).join(', ')
  return `the upstream answered ${status}${named && ` (${named})`}: ${REASONS[kind]}`
}
