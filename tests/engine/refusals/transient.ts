import { openAi, type Refusal } from './refusal.ts'

/** Failures that may end by themselves, though some of their words are those of a refusal. */
export const TRANSIENT: readonly Refusal[] = [
  openAi('Rate limit reached for requests', 'rate_limit_exceeded', null, 429),
  {
    status: 429,
    body: [
      {
        error: {
          code: 429,
          message: 'You exceeded your current quota.',
          status: 'RESOURCE_EXHAUSTED',
        },
      },
    ],
  },
  { status: 500, body: { error: { message: 'the context of temperature is internal' } } },
  { status: 503, body: { error: { message: 'model not found in cache, loading' } } },
  { status: 409, body: {} },
]
