import { openAi, vllm, type Refusal } from './refusal.ts'

/** Refusals of a conversation that is too long for the context of the model. */
export const TOO_LONG: readonly Refusal[] = [
  openAi(
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9312 tokens.",
    'context_length_exceeded',
    'messages',
  ),
  vllm(
    "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens (112946 in the messages, 10000 in the completion). Please reduce the length of the messages or completion.",
  ),
  vllm(
    "'max_tokens' or 'max_completion_tokens' is too large: 2048. This model's maximum context length is 9000 tokens and your request has 8000 input tokens (2048 > 9000 - 8000).",
  ),
  vllm("The input (61709 tokens) is longer than the model's context length (40960 tokens)."),
  {
    status: 400,
    body: {
      error: {
        code: 400,
        message: 'the request exceeds the available context size (8192 tokens), try increasing it',
        type: 'exceed_context_size_error',
        n_prompt_tokens: 14429,
        n_ctx: 8192,
      },
    },
  },
  {
    status: 400,
    body: {
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: 'prompt is too long: 210251 tokens > 200000 maximum',
      },
    },
  },
  {
    status: 400,
    body: {
      error: {
        message:
          'input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000, decrease input length or `max_tokens` and try again',
      },
    },
  },
  {
    status: 400,
    body: [
      {
        error: {
          code: 400,
          message:
            'The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).',
          status: 'INVALID_ARGUMENT',
        },
      },
    ],
  },
  {
    status: 400,
    body: {
      object: 'error',
      message:
        'Prompt contains 40960 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
      code: '3051',
    },
  },
  {
    status: 400,
    body: {
      error:
        'The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= n_ctx: 8192).',
    },
  },
  {
    status: 422,
    body: {
      error: '`inputs` tokens + `max_new_tokens` must be <= 8192. Given: 9000 `inputs` tokens',
      error_type: 'validation',
    },
  },
  {
    status: 413,
    body: {
      error: {
        message:
          'Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 10000, please reduce your message size',
        type: 'tokens',
        code: 'rate_limit_exceeded',
      },
    },
  },
  {
    status: 429,
    body: {
      error: {
        message: 'Request too large for m on tokens per min (TPM): Limit 30000, Requested 41000.',
        code: 'rate_limit_exceeded',
      },
    },
  },
  { status: 413, body: 'Payload Too Large' },
]
