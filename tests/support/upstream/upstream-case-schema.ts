const text = { type: 'string', minLength: 1 } as const
const texts = { type: 'array', items: text, minItems: 1 } as const
const count = { type: 'integer', minimum: 1 } as const

function object(properties: Record<string, unknown>, required: string[] = []) {
  return { type: 'object', properties, required, additionalProperties: false, minProperties: 1 }
}

const when = object({
  has: texts,
  lacks: texts,
  role: { enum: ['system', 'developer'] },
  model: text,
  messagesOver: count,
})

const reply = {
  ...object({
    to: { enum: ['chat', 'models'] },
    when,
    times: count,
    status: { type: 'integer', minimum: 200, maximum: 599 },
    headers: { type: 'object', additionalProperties: { type: 'string' } },
    body: { type: 'string' },
    stream: { type: 'string' },
    end: { enum: ['cut', 'silent'] },
  }),
  oneOf: [{ required: ['body'] }, { required: ['stream'] }],
}

/** It is complete, or it has a problem; each with all that must be said of it. */
const parley = {
  ...object({
    text: { type: 'string' },
    finishReason: { enum: ['stop', 'length', 'contentFilter', 'unknown'] },
    usage: { type: 'object', required: ['source'] },
    omittedMessages: count,
    model: text,
    problem: text,
    retryable: { type: 'boolean' },
    retryAfter: { type: 'boolean' },
    asks: count,
    remembered: { const: true },
    log: text,
    never: texts,
  }),
  if: { required: ['problem'] },
  then: { required: ['retryable', 'retryAfter'] },
  else: { required: ['text', 'finishReason', 'usage'] },
}

/** The form of one file in `tests/engine/upstreams`; what its keys mean stands at `UpstreamCase`. */
export const CASE_SCHEMA = object(
  {
    source: { type: 'string', pattern: '^https://[^\\s]+$' },
    fact: { type: 'string', minLength: 40 },
    base: { type: 'string', pattern: '^/' },
    settings: { type: 'object', additionalProperties: { type: 'string' } },
    models: texts,
    earlier: count,
    replies: { type: 'array', items: reply, minItems: 1 },
    parley,
  },
  ['source', 'fact', 'replies', 'parley'],
)
