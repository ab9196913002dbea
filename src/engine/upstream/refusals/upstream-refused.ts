import { EngineFailure } from '../../engine.ts'
import type { Refusal, RefusalKind } from './refusal.ts'

/**
 * For the operator's log. The upstream's own words are left out: they may hold the user's, or the
 * key.
 */
const REASONS: Readonly<Record<RefusalKind, string>> = {
  'too-long': 'the conversation is too long for the model',
  content: 'it refuses the content',
  credit: 'the account of CHAT_UPSTREAM_KEY has no credit left',
  'unknown-model': 'it does not know the model, or CHAT_UPSTREAM_URL is not its base URL',
  access: 'it does not accept CHAT_UPSTREAM_KEY, or not for this model',
  request: 'it does not accept the request',
}

/** For the caller, who is not told about keys and addresses. */
const DETAILS: Readonly<Record<RefusalKind, string>> = {
  'too-long': 'The message does not fit even without the earlier messages. Send a shorter one.',
  content: 'The model server rejects the content of the conversation.',
  credit: 'The model server has no credit left. Contact the operator of this server.',
  'unknown-model': 'The model is not available. Contact the operator of this server.',
  access: 'The model server denies access to this server. Contact the operator of this server.',
  request: 'The model server does not accept the request. Contact the operator of this server.',
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
