import { EngineFailure } from '../engine.ts'
import type { Refusal, RefusalKind } from './refusal.ts'

/** For the operator. None repeats the upstream's own words: they may hold the user's, or the key. */
const REASONS: Readonly<Record<RefusalKind, string>> = {
  'too-long': 'the conversation is too long for the model',
  content: 'it refuses the content',
  credit: 'the account of CHAT_UPSTREAM_KEY has no credit left',
  'unknown-model': 'it does not know the model, or CHAT_UPSTREAM_URL is not its base URL',
  access: 'it does not accept CHAT_UPSTREAM_KEY, or not for this model',
  request: 'it does not accept the request',
}

/** For the caller, whom keys and addresses do not concern. */
const DETAILS: Readonly<Record<RefusalKind, string>> = {
  'too-long': 'The message does not fit even without the earlier messages. Send a shorter one.',
  content: 'The model server rejects the content of the conversation.',
  credit: 'The model server has no credit left. Contact the operator of this server.',
  'unknown-model': 'The model is not available. Contact the operator of this server.',
  access: 'The model server denies access to this server. Contact the operator of this server.',
  request: 'The model server does not accept the request. Contact the operator of this server.',
}

/** A word of a vendor's own list, and nothing that anybody typed. */
const VENDOR_WORD = /^(?:[A-Za-z]{2,24}(?:[_.-][A-Za-z]{2,24}){0,5}|\d{3,6})$/
const MOST_VENDOR_WORDS = 3

/** A place in a request of ours: its parameters and the fields of its messages. */
const PARAMETER =
  /^(?:body\.)?(?:model|messages(?:[.[]\d{1,4}\]?)?(?:\.(?:role|content))?|temperature|top_p|max_tokens|max_completion_tokens|stream|stream_options(?:\.include_usage)?)$/

/** The upstream refused the call, and would refuse it again. Its message is safe to log. */
export class Refused extends EngineFailure {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    const { kind } = refusal
    const code = kind === 'too-long' ? 'context-too-long' : 'upstream-refused'
    super(code, reasonOf(refusal), { isOfRequest: true, detail: DETAILS[kind] })
    this.refusal = refusal
  }
}

function reasonOf({ status, kind, said }: Refusal): string {
  const words = [...new Set(said.codes)].filter((word) => VENDOR_WORD.test(word))
  const places = said.places.filter((place) => PARAMETER.test(place)).map((place) => `at ${place}`)
  const told = [...words, ...places].slice(0, MOST_VENDOR_WORDS).join(', ')
  return `the upstream answered ${status}${told && ` (${told})`}: ${REASONS[kind]}`
}
